"""Rules of an order desk. All money is in cents."""

from dataclasses import dataclass
from typing import TypedDict

from oriel_extension import Choice, Event, Execution, History, HookCall, InvalidInput, JobRun, Subject, Verdict
from oriel_extension import hook, job, kv, log, on_event, sampler, validator


class Line(TypedDict):
    name: str
    cents: int
    quantity: int


class Order(TypedDict):
    """What this extension knows nothing of goes on as it came."""

    country: str
    lines: list[Line]


@dataclass
class Sums:
    net: int
    tax: int
    gross: int


@dataclass
class Rates:
    rates: dict[str, int]


@hook
def add_tax(call: HookCall[Order], config: Rates) -> dict:
    order = call.payload
    net = sum(line["cents"] * line["quantity"] for line in order["lines"])
    tax = (net * config.rates.get(order["country"], 0) + 50) // 100
    return {**order, "net": net, "tax": tax, "gross": net + tax}


@dataclass
class Most:
    most: int = 100


@hook
def not_too_many(call: HookCall[Order], config: Most) -> Verdict | bool:
    lines = len(call.payload["lines"])
    if lines == 0:
        return Verdict(False, "the order is empty")
    return Verdict(False, f"{lines} lines are more than {config.most}") if lines > config.most else True


@validator
def adds_up(subject: Subject[object, Sums]) -> Verdict:
    execution = subject.execution
    if execution.failure:
        raise InvalidInput(f"the execution failed: {execution.failure.code}")
    if execution.output is None:
        raise InvalidInput("there is no output")
    difference = execution.output.gross - execution.output.net - execution.output.tax
    if difference == 0:
        return Verdict(True, score=1)
    return Verdict(False, f"gross is off by {difference}", details={"difference": difference})


class Gross(TypedDict):
    gross: int


@sampler
def large_orders(execution: Execution[object, Gross], history: History, config: dict) -> Choice:
    if execution.output and execution.output["gross"] >= config.get("from", 100_000):
        return Choice(True, "large")
    return Choice(True, "its turn") if history.since_last + 1 >= 100 else Choice(False)


@dataclass
class Refund:
    country: str
    cents: int


@on_event
def count_refund(event: Event[Refund]) -> None:
    kv.increment(f"refunds:{event.data.country}", event.data.cents)
    log.info("refund counted", order=event.subject)


@job
def refund_report(run: JobRun) -> dict:
    countries = {key.removeprefix("refunds:"): int(kv.get_text(key) or 0) for key in kv.keys("refunds:")}
    return {"total": sum(countries.values()), "countries": countries}
