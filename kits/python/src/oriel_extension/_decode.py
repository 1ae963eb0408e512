"""From parsed JSON to annotated types, with the place of whatever does not fit."""

import dataclasses
import enum
import types
import typing
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


class Misfit(ValueError):
    """A value that does not fit its type; the text says where."""


def decode(wanted: Any, value: Any, path: str = "") -> Any:
    """`value` as `wanted`: dataclasses, typed dicts, lists, dicts, unions, literals, enums and the plain JSON types."""
    if wanted is Any or wanted is object or wanted is None and value is None or isinstance(wanted, typing.TypeVar):
        return value
    if wanted is type(None):
        return _exactly(value is None, wanted, value, path)(value)
    origin = get_origin(wanted)
    if origin is None:
        if dataclasses.is_dataclass(wanted):
            return _dataclass(wanted, value, path)
        if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
            try:
                return wanted(value)
            except ValueError:
                choices = ", ".join(repr(member.value) for member in wanted)
                raise _misfit(f"one of {choices}", value, path) from None
        if typing.is_typeddict(wanted):
            return _typed_dict(wanted, value, path)
        return _plain(wanted, value, path)
    arguments = get_args(wanted)
    if origin in (Union, types.UnionType):
        problems = []
        for choice in arguments:
            try:
                return decode(choice, value, path)
            except Misfit as problem:
                problems.append(problem)
        # The branch that got furthest into the value knows best what is wrong with it.
        raise max(problems, key=lambda problem: str(problem).count("[") + str(problem).count("."))
    if origin is Literal:
        if any(value == choice and type(value) is type(choice) for choice in arguments):
            return value
        raise _misfit("one of " + ", ".join(map(repr, arguments)), value, path)
    if origin in (list, typing.Sequence) or str(origin) == "<class 'collections.abc.Sequence'>":
        _exactly(isinstance(value, list), "a list", value, path)
        inner = arguments[0] if arguments else Any
        return [decode(inner, item, f"{path}[{index}]") for index, item in enumerate(value)]
    if origin is dict or str(origin) == "<class 'collections.abc.Mapping'>":
        _exactly(isinstance(value, dict), "an object", value, path)
        inner = arguments[1] if len(arguments) == 2 else Any
        return {key: decode(inner, item, _below(path, key)) for key, item in value.items()}
    if origin is typing.Annotated:
        return decode(arguments[0], value, path)
    return value


def _plain(wanted: Any, value: Any, path: str) -> Any:
    if wanted is float:
        _exactly(isinstance(value, (int, float)) and not isinstance(value, bool), "a number", value, path)
        return float(value)
    if wanted is int:
        whole = isinstance(value, int) and not isinstance(value, bool) or isinstance(value, float) and value.is_integer()
        _exactly(whole, "an integer", value, path)
        return int(value)
    names = {str: "a string", bool: "true or false", dict: "an object", list: "a list"}
    if wanted in names:
        return _exactly(isinstance(value, wanted), names[wanted], value, path)(value)
    return value


def _dataclass(wanted: Any, value: Any, path: str) -> Any:
    _exactly(isinstance(value, dict), "an object", value, path)
    hints = get_type_hints(wanted, include_extras=True)
    fields = {}
    for field in dataclasses.fields(wanted):
        if not field.init:
            continue
        if field.name in value:
            fields[field.name] = decode(hints[field.name], value[field.name], _below(path, field.name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise Misfit(f"at `{path}`: missing field `{field.name}`" if path else f"missing field `{field.name}`")
    return wanted(**fields)


def _typed_dict(wanted: Any, value: Any, path: str) -> Any:
    """Keys that the type does not name stay as they are."""
    _exactly(isinstance(value, dict), "an object", value, path)
    for key in sorted(wanted.__required_keys__):
        if key not in value:
            raise Misfit(f"at `{path}`: missing field `{key}`" if path else f"missing field `{key}`")
    hints = get_type_hints(wanted)
    return {key: decode(hints[key], item, _below(path, key)) if key in hints else item for key, item in value.items()}


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _misfit(expected: str, value: Any, path: str) -> Misfit:
    shown = repr(value)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    text = f"expected {expected}, got {shown}"
    return Misfit(f"at `{path}`: {text}" if path else text)


def _exactly(good: bool, expected: Any, value: Any, path: str) -> Any:
    if not good:
        raise _misfit("null" if expected is type(None) else str(expected), value, path)
    return lambda given: given


def encode(value: Any) -> Any:
    """What `json.dumps` asks for when it meets something else: dataclasses, enums, sets, dates."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")
