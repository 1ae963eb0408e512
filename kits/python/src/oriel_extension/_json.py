"""JSON as the host writes it, into annotated types, and back."""

import json
from typing import Any

from ._decode import Misfit, decode, encode
from .errors import Internal, InvalidInput


def read(wanted: Any, text: str, part: str = "") -> Any:
    """The caller's JSON as `wanted`; `part` names what it is of a call that has several."""
    prefix = f"{part}: " if part else ""
    try:
        return decode(wanted, json.loads(text))
    except Misfit as misfit:
        raise InvalidInput(f"{prefix}{misfit}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the {part or 'input'} is not JSON that can be read: {error}") from None


def read_some(wanted: Any, text: str | None, part: str) -> Any:
    """The same of what may be absent."""
    return None if text is None else read(wanted, text, part)


def read_config(wanted: Any, text: str, what: str) -> Any:
    """A configuration, which an administrator wrote and the host checked: what does not fit is nobody's input."""
    try:
        return decode(wanted, json.loads(text))
    except Misfit as misfit:
        raise Internal(f"{what} does not fit: {misfit}") from None


def write(value: Any) -> str:
    """What a function answered, as JSON."""
    return json.dumps(value, ensure_ascii=False, default=encode, allow_nan=False, separators=(",", ":"))
