"""What happens around the life of an instance. Needs `lifecycle = true` in extension.toml.

    @lifecycle.initialize
    def start() -> None:
        log.info("ready")
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

_functions: dict[str, Callable[..., Any]] = {}

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Health:
    """How an instance feels; `detail` is one line for an administrator."""

    healthy: bool
    detail: str | None = None


@dataclass(frozen=True)
class ConfigProblem:
    """One thing that is wrong with a configuration; `path` is a JSON pointer, empty for the whole."""

    path: str
    message: str


def _keep(name: str, function: F) -> F:
    if name in _functions:
        raise TypeError(f"there are two functions for lifecycle.{name}")
    _functions[name] = function
    return function


def initialize(function: Callable[[], None]) -> Callable[[], None]:
    """Runs once in each new instance, before its first call. Raise to refuse."""
    return _keep("initialize", function)


def health_check(function: Callable[[], Health | bool | None]) -> Callable[[], Health | bool | None]:
    """Asked from time to time and after trouble; `None` means healthy."""
    return _keep("health_check", function)


def check_config(
    function: Callable[[dict[str, Any]], Iterable[ConfigProblem] | None],
) -> Callable[[dict[str, Any]], Iterable[ConfigProblem] | None]:
    """Judges a configuration beyond what its schema can say. No problems means yes."""
    return _keep("check_config", function)


def shutdown(function: Callable[[], None]) -> Callable[[], None]:
    """Runs before an instance is dropped in an orderly way; never after a trap or a time-out."""
    return _keep("shutdown", function)
