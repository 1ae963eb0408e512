"""Why a call failed: one class for each case of the guest API's error.

Raise one from a program; host calls raise them too. Any other exception is answered as `Internal`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from ._host import host

T = TypeVar("T")


class OrielError(Exception):
    """The base of all."""

    _case = "Internal"


class InvalidInput(OrielError):
    """The caller's input is wrong; the same input will fail again."""

    _case = "InvalidInput"


class Unavailable(OrielError):
    """Something that the extension depends on failed; a retry may help."""

    _case = "Unavailable"


class Denied(OrielError):
    """The grant does not cover what was asked."""

    _case = "Denied"


class LimitExceeded(OrielError):
    """A limit of the extension was reached; the text names it."""

    _case = "LimitExceeded"


class DeadlineExceeded(OrielError):
    """The call's deadline passed."""

    _case = "DeadlineExceeded"


class Internal(OrielError):
    """A fault of the program."""


_CLASSES: dict[str, type[OrielError]] = {
    f"Error_{cls._case}": cls for cls in (InvalidInput, Unavailable, Denied, LimitExceeded, DeadlineExceeded, Internal)
}


def host_call(call: Callable[..., T], *arguments: Any) -> T:
    """Runs a host call; its error becomes one of the classes above."""
    try:
        return call(*arguments)
    except Exception as error:
        payload = getattr(error, "value", None)
        cls = _CLASSES.get(type(payload).__name__)
        if cls is None:
            raise
        raise cls(getattr(payload, "value", "deadline exceeded")) from None


def describe(error: BaseException) -> str:
    """An exception in words, with what to do about it where that is not plain."""
    text = str(error) if isinstance(error, OrielError) else f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError):
        text += "; import it at the top of the module: the component has what was imported while it was built"
    return text


def to_host(error: BaseException) -> Exception:
    """The exception that an export raises so that the host sees the case of `error`."""
    case = error._case if isinstance(error, OrielError) else "Internal"
    text = describe(error)
    cls = getattr(host("types"), f"Error_{case}")
    value = cls() if case == "DeadlineExceeded" else cls(text)
    result: Exception = host("Err")(value)
    return result
