"""Programs: registering them, and one call through JSON."""

from collections.abc import Callable
from typing import Any, TypeVar, overload

from ._json import read, write
from ._registry import PROGRAM, decorator, find

F = TypeVar("F", bound=Callable[[Any], Any])


@overload
def program(name: F, /) -> F: ...
@overload
def program(name: str, /) -> Callable[[F], F]: ...
def program(name: Any, /) -> Any:
    """Makes a function of one parameter a program: `@program`, or `@program("name")`.

    Without a name it is the function's own, with `_` as `-`. The parameter's annotation decides what the function
    gets: a dataclass is filled in, anything else is parsed JSON.
    """
    return decorator(PROGRAM, name)


def run(name: str, text: str) -> str:
    """One call: JSON in, the function, JSON out. Raises what the function raises, or `InvalidInput`."""
    program = find(PROGRAM, name)
    return write(program.function(read(program.inner(0, 0), text)))
