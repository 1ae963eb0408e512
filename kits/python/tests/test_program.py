"""Pure logic: JSON in, JSON out, and what does not fit."""

import enum
import json
from dataclasses import dataclass, field
from typing import Literal

import pytest

from oriel_extension import InvalidInput, _program, program


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Item:
    price: float
    count: int = 1


@dataclass
class Order:
    items: list[Item]
    size: Size = Size.SMALL
    note: str | None = None
    kind: Literal["new", "old"] = "new"
    extra: dict[str, int] = field(default_factory=dict)


@program
def total_price(order: Order) -> dict[str, object]:
    return {"total": sum(item.price * item.count for item in order.items), "order": order}


@program("echo")
def anything(value: object) -> object:
    return value


def test_dataclasses_both_ways() -> None:
    answer = json.loads(_program.run("total-price", '{"items":[{"price":2,"count":3}],"size":"large","extra":{"a":1}}'))
    assert answer["total"] == 6
    assert answer["order"]["size"] == "large"
    assert answer["order"]["items"] == [{"price": 2.0, "count": 3}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "missing field `items`"),
        ('{"items":[{}]}', "at `items[0]`: missing field `price`"),
        ('{"items":[{"price":"x"}]}', "at `items[0].price`: expected a number, got 'x'"),
        ('{"items":[{"price":1,"count":1.5}]}', "at `items[0].count`: expected an integer, got 1.5"),
        ('{"items":[{"price":true}]}', "at `items[0].price`: expected a number, got True"),
        ('{"items":[],"size":"huge"}', "at `size`: expected one of 'small', 'large', got 'huge'"),
        ('{"items":[],"kind":"x"}', "at `kind`: expected one of 'new', 'old', got 'x'"),
        ('{"items":[],"note":7}', "at `note`: expected"),
        ('{"items":[],"extra":{"a":"b"}}', "at `extra.a`: expected an integer, got 'b'"),
        ("[]", "expected an object, got []"),
        ("{", "the input is not JSON"),
        ("[" * 100_000, "the input is not JSON"),
    ],
)
def test_input_that_does_not_fit(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match="^" + __import__("re").escape(message)):
        _program.run("total-price", text)


@pytest.mark.parametrize("text", ["{}", "null", '"ü\\u0000"', "9007199254740993", '[[[{"a":[]}]]]', "1e308", "-0.5"])
def test_json_survives(text: str) -> None:
    assert json.loads(_program.run("echo", text)) == json.loads(text)


def test_unknown_programs_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no program `nope`"):
        _program.run("nope", "{}")


def test_a_program_takes_one_parameter() -> None:
    with pytest.raises(TypeError, match="exactly one parameter"):

        @program
        def two(a: int, b: int) -> int:
            return a + b
