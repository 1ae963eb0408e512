"""The decorators of every kind of contribution but programs."""

from collections.abc import Callable
from typing import Any, TypeVar, overload

from ._registry import EVENT_HANDLER, HOOK, JOB, SAMPLER, VALIDATOR, decorator

F = TypeVar("F", bound=Callable[..., Any])


@overload
def validator(name: F, /) -> F: ...
@overload
def validator(name: str, /) -> Callable[[F], F]: ...
def validator(name: Any, /) -> Any:
    """Makes a function a validator: `@validator`, or `@validator("name")`.

    It takes a `Subject` and, if it wants, its binding's configuration; it returns a `Verdict`, or `True` or `False`. An exception
    says that no verdict can be given.
    """
    return decorator(VALIDATOR, name)


@overload
def sampler(name: F, /) -> F: ...
@overload
def sampler(name: str, /) -> Callable[[F], F]: ...
def sampler(name: Any, /) -> Any:
    """Makes a function a sampler: `@sampler`, or `@sampler("name")`.

    It takes an `Execution`, a `History` and, if it wants, its binding's configuration; it returns a `Choice`, or `True` or `False`.
    """
    return decorator(SAMPLER, name)


@overload
def on_event(name: F, /) -> F: ...
@overload
def on_event(name: str, /) -> Callable[[F], F]: ...
def on_event(name: Any, /) -> Any:
    """Makes a function an event handler: `@on_event`, or `@on_event("name")`.

    It takes an `Event` and, if it wants, its binding's configuration. An exception means that the event is delivered again later,
    unless it is `InvalidInput`.
    """
    return decorator(EVENT_HANDLER, name)


@overload
def hook(name: F, /) -> F: ...
@overload
def hook(name: str, /) -> Callable[[F], F]: ...
def hook(name: Any, /) -> Any:
    """Makes a function a hook handler: `@hook`, or `@hook("name")`.

    It takes a `HookCall` and, if it wants, its binding's configuration. What it returns depends on the hook's kind: `filter`, the
    payload that goes on; `validate`, a `Verdict`, or `True` or `False`; `decide`, the decision; `collect`, the item. `None` adds
    nothing.
    """
    return decorator(HOOK, name)


@overload
def job(name: F, /) -> F: ...
@overload
def job(name: str, /) -> Callable[[F], F]: ...
def job(name: Any, /) -> Any:
    """Makes a function a job: `@job`, or `@job("name")`.

    It takes a `JobRun` and returns what JSON can say. `Unavailable` means that a retry may help.
    """
    return decorator(JOB, name)
