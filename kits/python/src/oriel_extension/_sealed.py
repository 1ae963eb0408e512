"""What an extension without WASI does not have: a clock and randomness.

Asking for them would end the call with a trap. Say what to do instead.
"""

import datetime
import gc
import logging
import os
import random
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn


def _refusal(what: str) -> RuntimeError:
    return RuntimeError(f"{what} needs WASI: set `wasi = true` under [build] in extension.toml and build again")


def _refuse(what: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise _refusal(what)

    return refuse


def _refuse_without(module: Any, name: str, arguments: int) -> None:
    """Refuses a function of the present moment; with a moment given as its last argument it still works."""
    function = getattr(module, name)

    def checked(*given: Any) -> Any:
        if len(given) < arguments or given[-1] is None:
            raise _refusal(f"{module.__name__}.{name}()")
        return function(*given)

    setattr(module, name, checked)


def _refuse_method(cls: type, name: str) -> None:
    """Refuses a class method of a class in C, which lets nobody set its attributes. A class of our own in its place would
    be another one than the interpreter makes, so the entry is changed in the dictionary behind the class. Nobody has
    looked it up before: the build runs this before the extension's own code."""
    methods: dict[str, Any] = gc.get_referents(cls.__dict__)[0]
    methods[name] = staticmethod(_refuse(f"{cls.__name__}.{name}()"))


def install() -> None:
    """Called by the generated entry of an extension that is built without WASI."""
    clocks = ("time", "monotonic", "perf_counter", "process_time")
    for name in (*clocks, *(f"{clock}_ns" for clock in clocks), "sleep", "get_clock_info"):
        setattr(time, name, _refuse(f"time.{name}()"))
    for name in ("gmtime", "localtime", "ctime", "asctime"):
        _refuse_without(time, name, 1)
    _refuse_without(time, "strftime", 2)
    for name in ("now", "utcnow", "today"):
        _refuse_method(datetime.datetime, name)
    _refuse_method(datetime.date, "today")
    os.times = _refuse("os.times()")
    # A record of `logging` notes a time that the host writes anyway.
    logging.time = SimpleNamespace(time=lambda: 0.0, time_ns=lambda: 0)  # type: ignore[attr-defined]
    os.urandom = random._urandom = _refuse("os.urandom()")  # type: ignore[attr-defined]
    _refuse_unseeded()
    for name in random.__all__:
        if name[0].islower():
            setattr(random, name, _refuse(f"random.{name}()"))


def _refuse_unseeded() -> None:
    """A generator with a seed of the author's own, such as `random.Random(7)`, still works."""
    seed = random.Random.seed

    def checked(self: random.Random, a: Any = None, version: int = 2) -> None:
        if a is None and not isinstance(self, random.SystemRandom):
            raise _refusal("random.Random() without a seed")
        seed(self, a, version)

    random.Random.seed = checked  # type: ignore[method-assign]
