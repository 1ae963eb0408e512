"""Write Oriel extensions in Python: a program is a decorated function from JSON to JSON.

    from oriel_extension import log, program

    @program
    def classify(flight: dict) -> dict:
        log.info("classified", origin=flight["origin"])
        return {"late": flight["delay"] > 15}

Parameters may be annotated with dataclasses; input that does not fit is answered as `invalid-input`. Start with
`program`, then `lifecycle`, `log`, `config`, `kv`, `http`, `context` and `errors`.
"""

from . import config, context, errors, http, kv, lifecycle, log
from ._program import program
from .context import CallContext
from .errors import DeadlineExceeded, Denied, Internal, InvalidInput, LimitExceeded, OrielError, Unavailable

__all__ = [
    "CallContext",
    "DeadlineExceeded",
    "Denied",
    "Internal",
    "InvalidInput",
    "LimitExceeded",
    "OrielError",
    "Unavailable",
    "config",
    "context",
    "errors",
    "http",
    "kv",
    "lifecycle",
    "log",
    "program",
]
