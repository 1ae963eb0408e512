from dataclasses import dataclass, field

from oriel_extension import Subject, Verdict, validator


@dataclass
class Fields:
    fields: list[str] = field(default_factory=list)


@validator
def complete(subject: Subject[object, dict], wanted: Fields) -> Verdict:
    output = subject.execution.output or {}
    missing = [name for name in wanted.fields if name not in output]
    return Verdict(not missing, f"missing: {', '.join(missing)}" if missing else None)
