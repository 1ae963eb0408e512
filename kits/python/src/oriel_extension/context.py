"""What a call knows about where it runs."""

from dataclasses import dataclass

from ._host import host


@dataclass(frozen=True)
class CallContext:
    """The context of one call."""

    tenant: str
    principal: str | None
    extension: str
    version: str
    execution_id: str
    task: str | None
    traceparent: str | None
    deadline_ms: int


def current() -> CallContext:
    """The context of the call in progress. Costs one host call."""
    now = host("context").current()
    return CallContext(
        tenant=now.tenant,
        principal=now.principal,
        extension=now.extension,
        version=now.version,
        execution_id=now.execution_id,
        task=now.task,
        traceparent=now.traceparent,
        deadline_ms=now.deadline_ms,
    )


@dataclass(frozen=True)
class Caller:
    """The extension that made a call, as the host knows it."""

    extension: str
    version: str
    principal: str | None


def caller() -> Caller | None:
    """Who made the call in progress, when another extension did."""
    found = host("context").caller()
    return None if found is None else Caller(found.extension, found.version, found.principal)


def user() -> str | None:
    """The user of the host's product on whose behalf the call is made, as the host named them."""
    found: str | None = host("context").user()
    return found


def remaining_ms() -> int:
    """Milliseconds left until the deadline; 0 when it has passed."""
    left: int = host("context").remaining_ms()
    return left
