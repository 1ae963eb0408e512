"""What an extension without WASI does not have: a clock and randomness.

Asking for them would end the call with a trap that says nothing, or answer the same "random" numbers in every
instance. Say so instead.
"""

# Modules that others import in the middle of a call. Without files there is nothing to import from by then, so they
# are loaded while the component is built.
import _strptime  # type: ignore[import-not-found]  # noqa: F401
import encodings.ascii  # noqa: F401
import encodings.cp1252  # noqa: F401
import encodings.idna  # noqa: F401
import encodings.latin_1  # noqa: F401
import encodings.utf_16  # noqa: F401
import encodings.utf_8_sig  # noqa: F401
import ipaddress  # noqa: F401
import logging
import os
import random
import time
import traceback  # noqa: F401
import unicodedata  # noqa: F401
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def _refuse(what: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{what} needs WASI: set `wasi = true` under [build] in extension.toml and build again")

    return refuse


def install() -> None:
    """Called by the generated entry of an extension that is built without WASI."""
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "localtime"):
        setattr(time, name, _refuse(f"time.{name}()"))
    # A record of `logging` notes a time that the host writes anyway.
    logging.time = SimpleNamespace(time=lambda: 0.0, time_ns=lambda: 0)  # type: ignore[attr-defined]
    os.urandom = _refuse("os.urandom()")
    # A generator with a seed of the author's own (`random.Random(7)`) still works.
    for name in random.__all__:
        if name[0].islower():
            setattr(random, name, _refuse(f"random.{name}()"))
