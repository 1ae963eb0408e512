"""Durable work for this extension's own jobs. Needs `queue = true` under `[permissions]` in extension.toml.

    queue.enqueue("send", {"to": "ada@example.com"}, delay=60, deduplication_key="order-42")

What was enqueued is done at least once, also when the server crashes: a job must bear to be run twice.
"""

from types import SimpleNamespace
from typing import Any

from ._host import host
from ._json import write
from .errors import host_call


def _queue() -> Any:
    return host("queue", "queue = true")


def enqueue(
    job: str,
    input: object = None,
    *,
    delay: float | None = None,
    deduplication_key: str | None = None,
    attempts: int | None = None,
) -> str:
    """Puts a run of a job into the queue, `delay` seconds from now, and answers its id.

    As long as a run of the job with the same `deduplication_key` is not over, no second one is taken: the answer is the id of
    the first. Raises `Denied` without the permission, `LimitExceeded` when the queue is full or the input too long,
    `InvalidInput` when there is no such job or the input does not fit it.
    """
    module = _queue()
    options = getattr(module, "Options", SimpleNamespace)(
        delay_ms=None if delay is None else max(0, round(delay * 1000)),
        deduplication_key=deduplication_key,
        attempts=attempts,
    )
    return host_call(module.enqueue, job, write(input), options)  # type: ignore[no-any-return]


def pending(job: str) -> int:
    """How many runs of the job wait."""
    return host_call(_queue().pending, job)  # type: ignore[no-any-return]
