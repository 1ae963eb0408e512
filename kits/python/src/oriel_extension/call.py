"""Programs of other extensions in the same tenant. Needs them under `call` of `[permissions]` in extension.toml.

    place = call.program("geo", "lookup", {"city": "Ulm"})
"""

import json
from typing import Any, TypeVar, overload

from ._decode import Misfit, decode
from ._host import host
from ._json import write
from .errors import Internal, host_call

T = TypeVar("T")


@overload
def program(extension: str, name: str, input: object) -> Any: ...
@overload
def program(extension: str, name: str, input: object, type_: type[T]) -> T: ...
def program(extension: str, name: str, input: object, type_: Any = Any) -> Any:
    """What another extension's program answers to this input, as parsed JSON, or as a dataclass when one is given.

    Raises what the program raises; `Denied` when the grant does not name it or the call would be a cycle, `Unavailable` when the
    extension cannot be called.
    """
    module = host("call", f'call = ["{extension}/{name}"]')
    answer = host_call(module.execute, extension, name, write(input))
    try:
        return decode(type_, json.loads(answer))
    except Misfit as misfit:
        raise Internal(f"the answer of {extension}/{name}: {misfit}") from None
