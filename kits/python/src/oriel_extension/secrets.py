"""Secrets that an administrator has set. Needs them under `secrets` of `[permissions]` in extension.toml."""

from ._host import host
from .errors import host_call


def placeholder(name: str) -> str:
    """A text that stands for the secret in this instance: write it into a header of an outbound request, and the host puts the secret
    in its place. Ask for it where it is used. Raises `Denied` when the grant does not name it, `Unavailable` when nobody has set it."""
    return host_call(host("secrets", "secrets").placeholder, name)  # type: ignore[no-any-return]
