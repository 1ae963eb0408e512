"""The rate at which the sampler picks by chance, under simulated traffic. Run with pytest."""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from rate import Pace  # noqa: E402
from shape import chance, fingerprint  # noqa: E402


class Node:
    """The host's counters, and instances that each have a pace of their own."""

    def __init__(self, per_minute: float, instances: int = 1) -> None:
        self.per_minute = per_minute
        self.paces: list[Pace | None] = [None] * instances
        self.seen = self.sampled = 0

    def call(self, now: int) -> bool:
        at = self.seen % len(self.paces)
        pace = self.paces[at] = self.paces[at] or Pace(now, self.seen, self.sampled)
        pace.look(now, self.seen, self.sampled)
        picked = chance(f"exec_{self.seen}") < pace.share(now, self.seen, self.sampled, self.per_minute)
        self.seen += 1
        self.sampled += picked
        return picked

    def run(self, start: int, minutes: int, calls: int) -> int:
        """So many calls in each of so many minutes; answers how many were picked."""
        before = self.sampled
        for number in range(minutes * calls):
            self.call(start + number * 60_000 // calls)
        return self.sampled - before


def test_the_rate_is_kept_at_any_traffic() -> None:
    for calls in (60, 600, 6_000):
        picked = Node(6).run(1_772_366_400_000, 60, calls)
        # 360 are wanted.
        assert 240 <= picked <= 480, (calls, picked)


def test_little_traffic_is_picked_whole() -> None:
    assert Node(6).run(0, 60, 3) == 180


def test_many_instances_pick_no_more() -> None:
    picked = Node(6, instances=16).run(0, 60, 1_600)
    assert 200 <= picked <= 520, picked


def test_a_rush_is_no_flood() -> None:
    node = Node(6)
    node.run(0, 10, 12)
    before = node.sampled
    for number in range(100_000):
        node.call(600_000 + number // 2_000)
    assert node.sampled - before <= 2 * 6


def test_traffic_that_falls_is_followed() -> None:
    node = Node(6)
    node.run(0, 10, 6_000)
    # From the second minute on.
    node.run(600_000, 1, 12)
    assert node.run(660_000, 20, 12) >= 80


def test_a_clock_that_jumps_neither_stops_nor_floods() -> None:
    year = 31_536_000_000
    for jump in (-year, -30_000, 30_000, year):
        node = Node(6)
        node.run(2 * year, 10, 600)
        picked = node.run(2 * year + 600_000 + jump, 20, 600)
        assert 60 <= picked <= 240, (jump, picked)


def test_executions_that_end_out_of_order_are_no_jumps() -> None:
    node = Node(6, instances=4)
    dice = random.Random(7)
    for number in range(36_000):
        node.call(1_772_366_400_000 + number * 100 + dice.randrange(-5_000, 5_000))
    # One hour: 360 are wanted.
    assert 240 <= node.sampled <= 480, node.sampled


def test_counters_that_begin_anew_are_no_trouble() -> None:
    node = Node(6)
    node.run(0, 10, 600)
    node.seen, node.sampled = 0, 0
    assert 30 <= node.run(600_000, 20, 600) <= 240


def test_shapes_are_the_same_for_the_same_members() -> None:
    def shape(given: object, answered: object = None, failure: str | None = None, fields: tuple[str, ...] = ()) -> str:
        return fingerprint(given, answered, failure, "p", list(fields))

    assert shape({"a": 1, "b": "x"}) == shape({"b": "y", "a": 2.5})
    assert shape({"a": [1, 2, 3]}) == shape({"a": [9]})
    assert shape({str(number): 1 for number in range(60)}) == shape({str(number): 1 for number in range(100, 180)})
    different = [shape(1), shape("1"), shape(None), shape(True), shape({}), shape([]), shape([1]), shape({"a": 1}), shape({"a": "1"})]
    different += [shape(1, failure="execution.timeout"), shape(1, {"x": 1})]
    assert len(set(different)) == len(different)
    assert shape({"c": "NZ"}, fields=("/input/c",)) != shape({"c": "DE"}, fields=("/input/c",))
    deep: object = 1
    for _ in range(500):
        deep = [deep]
    assert len(shape(deep)) == 32 == len(shape(list(range(1_000_000))))
