"""Picks executions at a steady rate, and those that have a new shape."""

from dataclasses import dataclass, field

from oriel_extension import Choice, Execution, History, LimitExceeded, kv, log, metrics, sampler
from rate import Pace
from shape import chance, fingerprint

UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
# What one instance remembers, to ask the store seldom.
MOST_SHAPES = 5_000
MOST_TASKS = 1_000


@dataclass
class Settings:
    per_minute: float = 6
    novel_per_minute: int = 10
    fields: list[str] = field(default_factory=list)
    forget_after: str = "1d"


paces: dict[str, Pace] = {}
shapes: dict[str, None] = {}


def remember(cache: dict, key: str, value: object, most: int) -> None:
    """Keeps `key`, and forgets what has been there longest when there are too many."""
    cache[key] = value
    if len(cache) > most:
        del cache[next(iter(cache))]


def is_new(task: str, shape: str, pace: Pace, settings: Settings) -> bool:
    """Whether nobody has seen the shape: the first to count it has."""
    key = f"shape:{task}:{shape}"
    if key in shapes or pace.novel >= settings.novel_per_minute:
        return False
    ttl = int(settings.forget_after[:-1]) * UNITS[settings.forget_after[-1]]
    # Each new shape costs an entry, so that the limit holds for what is looked up, not only for what is picked.
    pace.novel += 1
    try:
        first = kv.increment(key, ttl_ms=ttl) == 1
    except LimitExceeded as error:
        log.warn("shapes are not remembered any more", reason=str(error))
        return False
    remember(shapes, key, None, MOST_SHAPES)
    if not first:
        pace.novel -= 1
    return first


@sampler
def adaptive(execution: Execution, history: History, settings: Settings) -> Choice:
    task = execution.task or f"{execution.extension}/{execution.program}"
    now = execution.started_ms + execution.wall_us // 1000
    pace = paces.get(task)
    if pace is None:
        pace = Pace(now, history.seen, history.sampled)
        remember(paces, task, pace, MOST_TASKS)
    pace.look(now, history.seen, history.sampled)
    if settings.novel_per_minute > 0:
        failure = execution.failure.code if execution.failure else None
        shape = fingerprint(execution.input, execution.output, failure, execution.program, settings.fields)
        if is_new(task, shape, pace, settings):
            metrics.add("novel")
            return Choice(True, "new failure" if failure else "new shape")
    if chance(execution.id) < pace.share(now, history.seen, history.sampled, settings.per_minute):
        return Choice(True, "by chance")
    return Choice(False)
