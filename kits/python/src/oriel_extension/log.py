"""Log lines, kept per tenant and shown by `oriel logs`: `log.info("accepted", order=42)`.

Lines beyond the log limit are dropped and counted by the host; logging never fails. Python's own `logging` and
`print` write here too.
"""

import io
import json
import logging
import sys
import traceback
from typing import Any, TextIO

from ._host import host, is_live


def _text(value: Any) -> str:
    if isinstance(value, (dict, list, tuple)):
        try:
            return json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError):
            pass
    return str(value)


def _write(level: str, message: object, fields: dict[str, Any]) -> None:
    if not is_live():
        return
    module = host("log")
    module.write(getattr(module.Level, level), str(message), [(key, _text(value)) for key, value in fields.items()])


def trace(message: object, /, **fields: Any) -> None:
    """A line for following the program's steps closely."""
    _write("TRACE", message, fields)


def debug(message: object, /, **fields: Any) -> None:
    """A line for finding faults."""
    _write("DEBUG", message, fields)


def info(message: object, /, **fields: Any) -> None:
    """A line worth keeping."""
    _write("INFO", message, fields)


def warn(message: object, /, **fields: Any) -> None:
    """A line about something that may become a fault."""
    _write("WARN", message, fields)


warning = warn


def error(message: object, /, **fields: Any) -> None:
    """A line about a fault."""
    _write("ERROR", message, fields)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        level = "ERROR" if record.levelno >= 40 else "WARN" if record.levelno >= 30 else "INFO" if record.levelno >= 20 else "DEBUG"
        fields = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            fields["traceback"] = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        _write(level, record.getMessage(), fields)


class _Stream(io.TextIOBase):
    """`print` as log lines, one for each line. While the component is built there is no log: the builder's own
    stream shows it then, and with it why a module does not load."""

    def __init__(self, level: str, building: TextIO) -> None:
        self._level = level
        self._building = building
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not is_live():
            return self._building.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            _write(self._level, line, {})
        return len(text)


def install() -> None:
    """Called by the generated entry: sends `logging`, and `print` without WASI, to the host."""
    root = logging.getLogger()
    root.addHandler(_Handler())
    root.setLevel(logging.INFO)
    # What these collect about threads and processes needs more of a system than an extension has.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    sys.stdout = _Stream("INFO", sys.stdout)
    sys.stderr = _Stream("ERROR", sys.stderr)
