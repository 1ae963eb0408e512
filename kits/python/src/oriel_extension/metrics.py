"""Counters and histograms, shown at `/metrics` under the extension's name: `metrics.add("orders", kind="new")`.

What does not fit the host's bounds is dropped and counted.
"""

from ._host import host


def add(name: str, value: float = 1, /, **labels: str) -> None:
    """Adds to a counter; it begins at 0 when the server starts."""
    host("metrics").counter_add(name, float(value), list(labels.items()))


def record(name: str, value: float, /, **labels: str) -> None:
    """Counts a value into a histogram, for amounts of which the spread matters, such as seconds or bytes."""
    host("metrics").histogram_record(name, float(value), list(labels.items()))
