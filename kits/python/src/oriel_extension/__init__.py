"""Write Oriel extensions in Python: a program is a decorated function from JSON to JSON.

    from oriel_extension import log, program

    @program
    def classify(flight: dict) -> dict:
        log.info("classified", origin=flight["origin"])
        return {"late": flight["delay"] > 15}

Parameters may be annotated with dataclasses; input that does not fit is answered as `invalid-input`. Start with
`program`; other kinds of contribution are made with `validator`, `sampler`, `on_event`, `hook` and `job`, and what they are given
and answer is in `shapes`. Then `lifecycle`, `log`, `config`, `kv`, `collections`, `http`, `context`, `call`, `secrets`, `queue`, `model`, `metrics`
and `errors`.
"""

from . import call, collections, config, context, errors, http, kv, lifecycle, log, metrics, model, queue, secrets, shapes
from ._contribute import hook, job, on_event, sampler, validator
from ._program import program
from .context import CallContext, Caller
from .errors import DeadlineExceeded, Denied, Internal, InvalidInput, LimitExceeded, OrielError, Unavailable
from .shapes import Choice, Event, Execution, Failure, History, HookCall, JobRun, Subject, Trigger, Verdict

__all__ = [
    "CallContext",
    "Caller",
    "Choice",
    "DeadlineExceeded",
    "Denied",
    "Event",
    "Execution",
    "Failure",
    "History",
    "HookCall",
    "Internal",
    "InvalidInput",
    "JobRun",
    "LimitExceeded",
    "OrielError",
    "Subject",
    "Trigger",
    "Unavailable",
    "Verdict",
    "call",
    "collections",
    "config",
    "context",
    "errors",
    "hook",
    "http",
    "job",
    "kv",
    "lifecycle",
    "log",
    "metrics",
    "model",
    "on_event",
    "program",
    "queue",
    "sampler",
    "secrets",
    "shapes",
    "validator",
]
