"""What the source contributes: functions by kind and name, and how each wants to be called."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from . import shapes
from .errors import InvalidInput

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Kind:
    """One kind of contribution."""

    name: str
    """As the manifest's tables and the host say it: `event-handler`."""
    words: str
    """For messages."""
    parameters: tuple[tuple[str, Any], ...]
    """What a function takes: in words, and the class from `shapes` where it has to be of one."""
    bound: bool = True
    """Whether a binding can configure it: then it may take that as one more parameter."""


@dataclass(frozen=True)
class Contribution:
    """A function and what its parameters are annotated with."""

    function: Callable[..., Any]
    who: str
    """For messages: "validator `short`"."""
    wanted: tuple[Any, ...]
    """For each parameter: the annotation's own parameters, or the annotation itself where the class is free."""
    config: Any = None
    """The annotation of the configuration's parameter."""
    takes_config: bool = False

    def inner(self, parameter: int, index: int) -> Any:
        """The type that a part of a parameter is read as: `Flight` of `Subject[Flight, Answer]` for index 0."""
        arguments: tuple[Any, ...] = self.wanted[parameter]
        return arguments[index] if index < len(arguments) else Any


PROGRAM = Kind("program", "program", (("its input", None),), bound=False)
VALIDATOR = Kind("validator", "validator", (("a Subject", shapes.Subject),))
SAMPLER = Kind("sampler", "sampler", (("an Execution", shapes.Execution), ("a History", shapes.History)))
EVENT_HANDLER = Kind("event-handler", "event handler", (("an Event", shapes.Event),))
HOOK = Kind("hook", "hook handler", (("a HookCall", shapes.HookCall),))
JOB = Kind("job", "job", (("a JobRun", shapes.JobRun),), bound=False)
KINDS = (PROGRAM, VALIDATOR, SAMPLER, EVENT_HANDLER, HOOK, JOB)

_contributions: dict[str, dict[str, Contribution]] = {kind.name: {} for kind in KINDS}


def decorator(kind: Kind, name: Any) -> Any:
    """What `@validator` and `@validator("name")` do. Without a name it is the function's own, with `_` as `-`."""
    if callable(name):
        return register(kind, name.__name__.strip("_").replace("_", "-"), name)
    if not isinstance(name, str):
        raise TypeError(f"the name of a {kind.words} is a text, not {name!r}")
    return lambda function: register(kind, name, function)


def register(kind: Kind, name: str, function: F) -> F:
    """Keeps a function, or says why it cannot be one of this kind."""
    who = f"{kind.words} `{name}`"
    if name in _contributions[kind.name]:
        raise TypeError(f"there are two {kind.words}s `{name}`")
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{who} is async; {kind.words}s are plain functions")
    parameters = list(inspect.signature(function).parameters.values())
    least, most = len(kind.parameters), len(kind.parameters) + kind.bound
    if not least <= len(parameters) <= most:
        words = " and ".join(words for words, _ in kind.parameters)
        if most == 1:
            raise TypeError(f"{who} must take exactly one parameter, {words}")
        raise TypeError(f"{who} must take {words}, and may take its binding's configuration after that")
    hints = get_type_hints(function, include_extras=True)
    wanted = []
    for parameter, (words, cls) in zip(parameters, kind.parameters):
        hint = hints.get(parameter.name, Any)
        if cls is None:
            wanted.append((hint,))
        elif hint is Any or hint is object or hint is cls or get_origin(hint) is cls:
            wanted.append(get_args(hint))
        else:
            raise TypeError(f"the parameter `{parameter.name}` of {who} is {words}; annotate it so, or not at all")
    takes_config = len(parameters) > least
    config = hints.get(parameters[-1].name, Any) if takes_config else None
    _contributions[kind.name][name] = Contribution(function, who, tuple(wanted), config, takes_config)
    return function


def find(kind: Kind, name: str) -> Contribution:
    """The contribution of that kind and name."""
    try:
        return _contributions[kind.name][name]
    except KeyError:
        raise InvalidInput(f"this extension has no {kind.words} `{name}`") from None


def require(declared: dict[str, list[str]]) -> None:
    """Called by the generated entry: what extension.toml declares has to be there."""
    for kind in KINDS:
        there = _contributions[kind.name]
        for name in declared.get(kind.name, []):
            if name not in there:
                names = ", ".join(f"`{other}`" for other in there) or "none"
                raise TypeError(f"extension.toml declares the {kind.words} `{name}`, and the source has none of that name; it has {names}")
