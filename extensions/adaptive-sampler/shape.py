"""Shapes of executions: which members and types they have, not which values."""

import hashlib
from typing import Any

MOST_DEPTH = 6
MOST_NODES = 300
MOST_ITEMS = 20
# An object with more members is taken for a map, whose keys are values: ids, dates, names.
MOST_MEMBERS = 50


class _Budget:
    """How much of a value is still looked at: hostile ones are large."""

    def __init__(self) -> None:
        self.left = MOST_NODES


def _shape(value: Any, depth: int, budget: _Budget) -> str:
    budget.left -= 1
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "text"
    if depth >= MOST_DEPTH or budget.left <= 0:
        return "…"
    if isinstance(value, list):
        return "[" + "|".join(sorted({_shape(item, depth + 1, budget) for item in value[:MOST_ITEMS]})) + "]"
    if len(value) > MOST_MEMBERS:
        return "{*:" + "|".join(sorted({_shape(item, depth + 1, budget) for item in list(value.values())[:MOST_ITEMS]})) + "}"
    members = (f"{key!r}:{_shape(value[key], depth + 1, budget)}" for key in sorted(value))
    return "{" + ",".join(members) + "}"


def _at(value: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and len(key) < 10:
            value = value[int(key)] if int(key) < len(value) else None
        else:
            return None
    return value


def fingerprint(given: Any, answered: Any, failure: str | None, program: str, fields: list[str]) -> str:
    """32 hexadecimal digits that are the same for the same shape."""
    parts = [program, _shape(given, 0, _Budget()), failure or _shape(answered, 0, _Budget())]
    whole = {"input": given, "output": answered}
    for pointer in fields:
        # By its beginning: a field was meant that has few values.
        parts.append(f"{pointer}={str(_at(whole, pointer))[:200]}")
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def chance(execution: str) -> float:
    """A number from 0 to 1 that looks random and is always the same for one execution."""
    return int.from_bytes(hashlib.blake2b(execution.encode(), digest_size=8).digest()) / 2**64
