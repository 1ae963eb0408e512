from dataclasses import dataclass
from typing import Any, TypedDict

from oriel_extension import Choice, Event, Execution, History, HookCall, JobRun, Subject, Unavailable, Verdict
from oriel_extension import hook, job, kv, on_event, sampler, validator


@dataclass
class Order:
    net: float


class Total(TypedDict):
    total: float


@dataclass
class Settings:
    rate: float = 0
    n: int = 0


@validator("judge")
def judge(subject: Subject[Order, Total], settings: Settings) -> Verdict:
    wanted = subject.execution.input.net * (1 + settings.rate)
    given = subject.execution.output
    if given is None:
        return Verdict(False, "nothing came out")
    ok = given["total"] == wanted
    return Verdict(ok, f"{wanted:g} ü", 1 if ok else 0.25)


@validator
def subject(subject: Subject) -> Verdict:
    it = subject.execution
    details = {
        "id": it.id,
        "task": it.task,
        "by": [it.extension, it.version, it.program],
        "input": it.input,
        "output": it.output,
        "failure": it.failure and it.failure.code,
        "inputSchema": subject.input_schema,
        "outputSchema": subject.output_schema,
        "expected": subject.expected_output,
    }
    return Verdict(True, details=details)


@validator
def breaks(subject: Subject) -> bool:
    return int("x") > 0


@sampler
def every(execution: Execution, history: History, settings: Settings) -> Choice:
    return Choice(True, "its turn") if history.since_last + 1 >= settings.n else Choice(False)


@sampler
def times(execution: Execution, history: History) -> Choice:
    last = "never" if history.last_sample_ms is None else history.last_sample_ms
    seen = f"{history.seen} {history.sampled}"
    return Choice(True, f"{execution.started_ms} {execution.wall_us} {execution.guest_cpu_us} {last} {seen}")


@on_event
def store(event: Event) -> None:
    data = event.data
    if data is None:
        shown = "nothing"
    elif isinstance(data, bytes):
        shown = f"{len(data)} bytes"
    else:
        shown = data if isinstance(data, str) else f"{data['net']:g}"
    about = f"{event.subject or 'nobody'} {event.time_ms or 0} {event.attributes.get('region', 'nowhere')}"
    kv.set(event.id, f"{event.source} {event.type} {about} {shown}")


@on_event
def down(event: Event) -> None:
    raise Unavailable("try again")


@hook
def add(call: HookCall[Order], settings: Settings) -> dict:
    return {"net": call.payload.net, "gross": call.payload.net * (1 + settings.rate)}


@hook("judge")
def check(call: HookCall[Order]) -> bool:
    return call.payload.net > 0


@hook
def nothing(call: HookCall) -> None:
    return None


@hook
def told(call: HookCall) -> Any:
    return [call.hook, call.kind, call.payload, call.dry_run]


@job("told")
def run_told(run: JobRun) -> list:
    return [run.trigger.kind, run.trigger.name, run.attempt]


@job("sum")
def add_up(run: JobRun[list[float]]) -> float:
    return sum(run.input)
