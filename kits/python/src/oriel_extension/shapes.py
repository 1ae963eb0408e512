"""What contributions other than programs are given, and what they answer.

Types with parameters may be written without: `Subject` is `Subject[Any, Any]`. With parameters of your own, such as
`Subject[Flight, Answer]`, JSON is filled into them, and what does not fit is answered as `invalid-input`.
"""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


@dataclass(frozen=True)
class Failure:
    """Why an execution failed."""

    code: str
    """Stable, such as `execution.timeout`."""
    message: str


@dataclass(frozen=True)
class Execution(Generic[I, O]):
    """One execution: what a program was asked, and what came of it."""

    id: str
    """`exec_…`"""
    task: str | None
    """`task_…`; `None` when a program was called directly."""
    extension: str
    version: str
    program: str
    input: I
    output: O | None
    """`None` when it failed."""
    failure: Failure | None
    """`None` when it succeeded."""
    started_ms: int
    """Milliseconds since 1970."""
    wall_us: int
    """From the lease of an instance to its answer, in microseconds."""
    guest_cpu_us: int
    """Time that guest code ran, in microseconds."""


@dataclass(frozen=True)
class Subject(Generic[I, O]):
    """What a validator judges."""

    execution: Execution[I, O]
    input_schema: Any
    """JSON Schema of the task's input, or `None`."""
    output_schema: Any
    """JSON Schema of the task's output, or `None`."""
    expected_output: O | None
    """What should have come out, where somebody knows."""


@dataclass(frozen=True)
class Verdict:
    """A judgement, of an execution or of a hook's payload."""

    valid: bool
    message: str | None = None
    """One line for people."""
    score: float | None = None
    """How good it is, from 0 to 1, where a yes or no says too little."""
    details: Any = None
    """Whatever the reader of the verdict may want to know; anything that JSON can say."""


@dataclass(frozen=True)
class History:
    """What a sampler has seen of the task so far, this execution not included."""

    last_sample_ms: int | None
    """When an execution was last sampled, in milliseconds since 1970."""
    seen: int
    sampled: int
    since_last: int
    """Executions since the last sampled one."""


@dataclass(frozen=True)
class Choice:
    """Whether an execution is looked at."""

    sample: bool
    reason: str | None = None
    """A word or two for people, such as `slow`."""


D = TypeVar("D")


@dataclass(frozen=True)
class Event(Generic[D]):
    """A CloudEvent, version 1.0."""

    id: str
    source: str
    type: str
    subject: str | None
    time_ms: int | None
    """Milliseconds since 1970."""
    datacontenttype: str | None
    dataschema: str | None
    attributes: dict[str, str]
    """Extension attributes in their canonical text form."""
    data: D
    """JSON as `D`; other text as `str`, anything else as `bytes`; `None` when it carries nothing."""


HookKind = Literal["filter", "validate", "decide", "collect", "observe"]

P = TypeVar("P")


@dataclass(frozen=True)
class HookCall(Generic[P]):
    """A hook that was fired."""

    hook: str
    """Its name, such as `order.pre-create`."""
    kind: HookKind
    payload: P
    dry_run: bool
    """Whether this is a rehearsal: host calls with an effect are refused, and nothing that is answered counts."""


@dataclass(frozen=True)
class Trigger:
    """What started a job."""

    kind: Literal["manual", "schedule", "event", "queue"]
    name: str | None = None
    """The schedule's name, or the event's id."""


@dataclass(frozen=True)
class JobRun(Generic[I]):
    """One run of a job."""

    trigger: Trigger
    input: I
    attempt: int
    """1 for the first attempt."""
