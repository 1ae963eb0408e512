"""The share of executions to pick, so that a steady number per minute comes out at any traffic.

The counters are the host's, of all instances on the node together; an instance looks at how they grow between its own looks. So many
instances do not pick many times as much, and one that is new knows within a minute what the others know.
"""

from dataclasses import dataclass

WINDOW_MS = 60_000
# Picks within one window are at most this many times the wanted number, whatever a clock does.
MOST = 2


@dataclass
class Pace:
    """What was counted when the window began, and the traffic of the one before, in executions per minute."""

    began_ms: int
    seen: int
    sampled: int
    before: float | None = None
    novel: int = 0

    def look(self, now_ms: int, seen: int, sampled: int) -> None:
        """Begins a new window when this one is over, when a clock was set back, or when the host began to count anew."""
        passed = now_ms - self.began_ms
        if 0 <= passed < WINDOW_MS and seen >= self.seen and sampled >= self.sampled:
            return
        if passed >= WINDOW_MS and seen >= self.seen:
            # A clock that was set forward makes traffic look small for one window; the cap holds meanwhile.
            self.before = (seen - self.seen) * WINDOW_MS / passed
        self.began_ms, self.seen, self.sampled, self.novel = now_ms, seen, sampled, 0

    def share(self, now_ms: int, seen: int, sampled: int, per_minute: float) -> float:
        """How likely this execution is to be picked, from 0 to 1."""
        if sampled - self.sampled >= max(1.0, MOST * per_minute):
            return 0.0
        passed = now_ms - self.began_ms
        # The first seconds of a window say little; a sudden rush shows at once all the same.
        here = (seen - self.seen + 1) * WINDOW_MS / max(passed, WINDOW_MS // 6)
        traffic = max(here, self.before or 0.0)
        return min(1.0, per_minute / traffic)
