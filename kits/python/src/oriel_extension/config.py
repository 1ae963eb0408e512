"""The installation's configuration, valid against `[config]` of extension.toml."""

import json
from typing import Any, TypeVar, overload

from ._decode import decode
from ._host import host

T = TypeVar("T")


@overload
def get() -> dict[str, Any]: ...
@overload
def get(type_: type[T]) -> T: ...
def get(type_: Any = None) -> Any:
    """The whole configuration as a dict, or as a dataclass when one is given."""
    value = json.loads(host("config").get())
    return value if type_ is None else decode(type_, value)
