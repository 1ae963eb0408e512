"""The host side, as the build's generated entry binds it: the modules of the guest API that the manifest allows."""

from collections.abc import Callable
from typing import Any

_bound: dict[str, Any] = {}
_live = False
_first: list[Callable[[], None]] = []


def at_first_call(function: Callable[[], None]) -> None:
    """Called by the generated entry: what is to happen once the component is built."""
    _first.append(function)


def go_live() -> None:
    """Called at the start of each export."""
    global _live
    if not _live:
        _live = True
        for function in _first:
            function()


def is_live() -> bool:
    """False while the component is being built: the code of modules runs then, and there is no host to call."""
    return _live


def bind(**modules: Any) -> None:
    """Called by the generated entry before the extension's own code is loaded."""
    _bound.update(modules)


def host(name: str, permission: str | None = None) -> Any:
    """A bound module, or an error that says what the manifest lacks."""
    if name in _bound and not _live:
        raise RuntimeError(f"`{name}` can only be used in a program or lifecycle function, not while the module loads")
    try:
        return _bound[name]
    except KeyError:
        if permission is None:
            raise RuntimeError(f"`{name}` can only be used inside an extension") from None
        raise RuntimeError(f"this needs `{permission}` under [permissions] in extension.toml, and a new build") from None
