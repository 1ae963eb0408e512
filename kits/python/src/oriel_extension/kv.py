"""Durable values of this extension in this tenant. Needs `key_value = true` under `[permissions]`.

Keys are 1 to 512 bytes of UTF-8. Values are bytes; text is stored as UTF-8.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ._host import host
from .errors import host_call


@dataclass(frozen=True)
class Entry:
    """A value with its version, for `compare_and_swap`."""

    value: bytes
    version: int


@dataclass(frozen=True)
class KeyPage:
    """Some keys, and where the next page starts."""

    keys: list[str]
    next_cursor: str | None


def _store() -> Any:
    return host("kv", "key_value = true")


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def entry(key: str) -> Entry | None:
    """The bytes behind `key` with their version."""
    found = host_call(_store().get, key)
    return None if found is None else Entry(bytes(found.value), found.version)


def get(key: str) -> bytes | None:
    """The bytes behind `key`."""
    found = entry(key)
    return None if found is None else found.value


def get_text(key: str) -> str | None:
    """The text behind `key`."""
    found = get(key)
    return None if found is None else found.decode()


def get_json(key: str) -> Any:
    """The JSON behind `key`, or `None`."""
    found = get(key)
    return None if found is None else json.loads(found)


def set(key: str, value: str | bytes, *, ttl_ms: int | None = None) -> int:
    """Writes whatever is there and answers the new version."""
    version: int = host_call(_store().set, key, _bytes(value), ttl_ms)
    return version


def set_json(key: str, value: Any, *, ttl_ms: int | None = None) -> int:
    """Writes `value` as JSON and answers the new version."""
    return set(key, json.dumps(value, ensure_ascii=False), ttl_ms=ttl_ms)


def delete(key: str) -> bool:
    """Deletes `key` and answers whether there was something to delete."""
    there: bool = host_call(_store().delete, key)
    return there


def compare_and_swap(key: str, expected: int | None, value: str | bytes, *, ttl_ms: int | None = None) -> int | None:
    """Writes only if the entry's version is `expected` (`None`: only if there is no entry).

    Answers the new version, or `None` when another writer was faster.
    """
    version: int | None = host_call(_store().compare_and_swap, key, expected, _bytes(value), ttl_ms)
    return version


def increment(key: str, by: int = 1, *, ttl_ms: int | None = None) -> int:
    """Adds to an integer (absent counts as 0) in one step and answers the sum."""
    total: int = host_call(_store().increment, key, by, ttl_ms)
    return total


def page(prefix: str, *, limit: int = 100, cursor: str | None = None) -> KeyPage:
    """At most `limit` (1 to 1000) keys that start with `prefix`, in ascending order."""
    found = host_call(_store().list_keys, prefix, limit, cursor)
    return KeyPage(list(found.keys), found.next_cursor)


def keys(prefix: str = "") -> Iterator[str]:
    """Every key that starts with `prefix`."""
    cursor = None
    while True:
        found = page(prefix, limit=1000, cursor=cursor)
        yield from found.keys
        cursor = found.next_cursor
        if cursor is None:
            return
