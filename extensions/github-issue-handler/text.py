"""What issues say. Nothing that comes with an event can mention people, close a block of code or hide a comment."""

import datetime
import json
import re
from dataclasses import dataclass
from typing import Any

MOST_TITLE = 250
# GitHub takes 65,536 characters.
MOST_DATA = 50_000
_PLACEHOLDER = re.compile(r"\{(type|source|subject|data(?:/[^{}]*)?)\}")


@dataclass
class Message:
    """An event, or a hook that was fired."""

    type: str
    source: str
    data: Any
    id: str | None = None
    subject: str | None = None
    time_ms: int | None = None


def _at(data: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list) and key.isdecimal() and len(key) < 10 and int(key) < len(data):
            data = data[int(key)]
        else:
            return None
    return data


def fill(text: str, message: Message) -> str:
    """The text with its placeholders filled in, in one pass: what is filled in is never taken for a placeholder."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        found = _at(message.data, name.removeprefix("data")) if name.startswith("data") else getattr(message, name)
        if found is None:
            return ""
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, sort_keys=True)

    return _PLACEHOLDER.sub(value, text)


def one_line(text: str, most: int) -> str:
    text = " ".join("".join(" " if ord(char) < 32 or ord(char) == 127 else char for char in text).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def title(template: str | None, message: Message) -> str:
    if template is None:
        template = "{type}: {subject}" if message.subject else "{type}"
    return one_line(fill(template, message), MOST_TITLE) or message.type


def _code(text: str) -> str:
    """Text in a line, as code that it cannot end."""
    text = one_line(text, 300)
    ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{ticks} {text} {ticks}"


def _block(data: Any) -> str:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, indent=2)
    if len(text) > MOST_DATA:
        text = text[:MOST_DATA] + "\n… (cut)"
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence}{'' if isinstance(data, str) else 'json'}\n{text}\n{fence}"


def _facts(message: Message) -> str:
    facts = [("Type", message.type), ("Source", message.source), ("Subject", message.subject), ("Event", message.id)]
    if message.time_ms is not None:
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=min(message.time_ms, 253_402_300_799_000))
        facts.append(("Time", moment.isoformat(timespec="seconds") + "Z"))
    return "\n".join(f"- {name}: {_code(value)}" for name, value in facts if value)


def mark(fingerprint: str) -> str:
    """What the issue is found by when it is not known whether it was opened."""
    return f"<!-- oriel-fingerprint: {fingerprint} -->"


def body(message: Message, fingerprint: str) -> str:
    data = "" if message.data is None else f"\n\n{_block(message.data)}"
    return f"{_facts(message)}{data}\n\nOpened by Oriel.\n{mark(fingerprint)}"


def comment(message: Message) -> str:
    data = "" if message.data is None else f"\n\n{_block(message.data)}"
    return f"It happened again.\n\n{_facts(message)}{data}"
