"""The installation's configuration, valid against `[config]` of extension.toml, and the binding's."""

from typing import Any, TypeVar, overload

from ._host import host
from ._json import read_config

T = TypeVar("T")


@overload
def get() -> dict[str, Any]: ...
@overload
def get(type_: type[T]) -> T: ...
def get(type_: Any = Any) -> Any:
    """The whole configuration as a dict, or as a dataclass when one is given."""
    return read_config(type_, host("config").get(), "the configuration")


@overload
def binding() -> dict[str, Any]: ...
@overload
def binding(type_: type[T]) -> T: ...
def binding(type_: Any = Any) -> Any:
    """The configuration of the binding by which the call in progress came; empty when it has none, or came by none.

    A contribution that takes it as its last parameter need not ask.
    """
    return read_config(type_, host("config").binding(), "the binding's configuration")
