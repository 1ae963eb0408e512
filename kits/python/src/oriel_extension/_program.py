"""Programs: registering them, and one call through JSON."""

import inspect
import json
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints, overload

from . import lifecycle, log
from ._decode import Misfit, decode, encode
from ._host import go_live, host
from .errors import InvalidInput, OrielError, describe, to_host

F = TypeVar("F", bound=Callable[[Any], Any])

_programs: dict[str, tuple[Callable[[Any], Any], Any]] = {}


@overload
def program(name: F, /) -> F: ...
@overload
def program(name: str, /) -> Callable[[F], F]: ...
def program(name: Any, /) -> Any:
    """Makes a function of one parameter a program: `@program`, or `@program("name")`.

    Without a name it is the function's own, with `_` as `-`. The parameter's annotation decides what the function
    gets: a dataclass is filled in, anything else is parsed JSON.
    """
    if callable(name):
        return _register(name.__name__.strip("_").replace("_", "-"), name)
    return lambda function: _register(name, function)


def _register(name: str, function: F) -> F:
    if name in _programs:
        raise TypeError(f"there are two programs `{name}`")
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"program `{name}` is async; programs are plain functions")
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 1:
        raise TypeError(f"program `{name}` must take exactly one parameter, its input")
    hints = get_type_hints(function, include_extras=True)
    _programs[name] = (function, hints.get(parameters[0].name, Any))
    return function


def run(name: str, text: str) -> str:
    """One call: JSON in, the function, JSON out. Raises what the function raises, or `InvalidInput`."""
    if name not in _programs:
        raise InvalidInput(f"this extension has no program `{name}`")
    function, wanted = _programs[name]
    try:
        value = decode(wanted, json.loads(text))
    except Misfit as misfit:
        raise InvalidInput(str(misfit)) from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the input is not JSON that can be read: {error}") from None
    return json.dumps(function(value), ensure_ascii=False, default=encode, allow_nan=False, separators=(",", ":"))


def _places(error: BaseException) -> str:
    """Where it was raised, innermost last. The standard formatter would look for source files, which are not there."""
    places = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        places.append(f"{code.co_filename}:{step.tb_lineno} in {code.co_name}")
        step = step.tb_next
    return "\n".join(places)


def _failed(error: BaseException) -> Exception:
    if not isinstance(error, OrielError):
        log.error(describe(error), traceback=_places(error))
    return to_host(error)


class Program:
    """The export `program`."""

    def execute(self, name: str, input: str) -> str:
        go_live()
        try:
            return run(name, input)
        except (Exception, SystemExit) as error:
            raise _failed(error) from None


class Lifecycle:
    """The export `lifecycle`."""

    def initialize(self) -> None:
        go_live()
        function = lifecycle._functions.get("initialize")
        try:
            if function is not None:
                function()
        except (Exception, SystemExit) as error:
            raise _failed(error) from None

    def health_check(self) -> Any:
        go_live()
        record = host("lifecycle").Health
        function = lifecycle._functions.get("health_check")
        try:
            answer = None if function is None else function()
        except Exception as error:
            return record(False, f"{type(error).__name__}: {error}")
        if isinstance(answer, lifecycle.Health):
            return record(answer.healthy, answer.detail)
        return record(answer is not False, None)

    def check_config(self, config: str) -> None:
        go_live()
        function = lifecycle._functions.get("check_config")
        if function is None:
            return
        try:
            problems = [(problem.path, problem.message) for problem in function(json.loads(config)) or ()]
        except Exception as error:
            problems = [("", f"{type(error).__name__}: {error}")]
        if problems:
            record = host("lifecycle").ConfigProblem
            raise host("Err")([record(path, message) for path, message in problems])

    def shutdown(self) -> None:
        function = lifecycle._functions.get("shutdown")
        if function is not None:
            function()
