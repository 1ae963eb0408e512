from dataclasses import dataclass

from oriel_extension import JobRun, job


@dataclass
class Numbers:
    numbers: list[int]


@job
def add_up(run: JobRun[Numbers]) -> dict:
    return {"sum": sum(run.input.numbers), "started_by": run.trigger.kind}
