"""Rates of one day, from the store or from the source."""

import datetime
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from oriel_extension import Denied, InvalidInput, LimitExceeded, Unavailable, http, kv, log, metrics

_CODE = re.compile(r"[A-Z]{3}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MOST_CURRENCIES = 1_000
# Rates of a day that is over do not change.
PAST_MS = 30 * 86_400_000
# A source that has just failed is not asked by every call.
REST_MS = 15_000


@dataclass(frozen=True)
class Rates:
    """What one unit of `base` is in other currencies."""

    base: str
    date: str
    rates: dict[str, Decimal]

    def of(self, code: str) -> Decimal | None:
        return Decimal(1) if code == self.base else self.rates.get(code)


class Nonsense(Exception):
    """An answer that holds no rates; the text says why."""


def _constant(name: str) -> Any:
    raise Nonsense(f"{name} is no rate")


def parse(content: bytes, asked: str) -> Rates:
    """Reads an answer. Numbers never pass through binary floating point."""
    try:
        told = json.loads(content, parse_float=Decimal, parse_int=Decimal, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise Nonsense("it is not JSON") from None
    if not isinstance(told, dict) or not isinstance(told.get("rates"), dict):
        raise Nonsense("it has no `rates`")
    base, date = told.get("base"), told.get("date")
    if not isinstance(base, str) or not _CODE.fullmatch(base):
        raise Nonsense("`base` is no currency")
    if not isinstance(date, str) or not is_day(date):
        raise Nonsense("`date` is no day")
    if asked != "latest" and date > asked:
        raise Nonsense(f"its rates are of {date}, after {asked}")
    if len(told["rates"]) > MOST_CURRENCIES:
        raise Nonsense(f"it has more than {MOST_CURRENCIES} currencies")
    rates = {}
    for code, rate in told["rates"].items():
        # Orders of magnitude that no currency has ever had would only be mistakes or attacks.
        if not _CODE.fullmatch(code) or not isinstance(rate, Decimal) or not Decimal("1e-12") < rate < Decimal("1e15"):
            raise Nonsense("one of its rates is none")
        rates[code] = rate
    return Rates(base, date, rates)


def is_day(text: str) -> bool:
    try:
        return _DAY.fullmatch(text) is not None and datetime.date.fromisoformat(text) is not None
    except ValueError:
        return False


def _store(rates: Rates) -> str:
    return json.dumps({"base": rates.base, "date": rates.date, "rates": {code: str(rate) for code, rate in rates.rates.items()}})


def _restore(text: bytes) -> Rates | None:
    try:
        kept = json.loads(text)
        return Rates(kept["base"], kept["date"], {code: Decimal(rate) for code, rate in kept["rates"].items()})
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        return None


def find(url: str, asked: str, fresh_ms: int, stale_ms: int) -> tuple[Rates, bool]:
    """The rates of `asked` (a day, or `latest`), and whether they are older than they should be."""
    kept = kv.get(f"rates:{asked}")
    known = None if kept is None else _restore(kept)
    if known is not None and kv.get(f"fresh:{asked}") is not None:
        return known, False
    try:
        rates = _ask(url.replace("{date}", asked), asked)
    except Unavailable as error:
        if known is None:
            raise
        log.warn("older rates are used", date=known.date, reason=str(error))
        metrics.add("stale")
        return known, True
    fresh = fresh_ms if asked == "latest" else PAST_MS
    # In this order: a mark of freshness without rates means nothing.
    kv.set(f"rates:{asked}", _store(rates), ttl_ms=max(fresh, stale_ms))
    kv.set(f"fresh:{asked}", "", ttl_ms=fresh)
    return rates, False


def _ask(url: str, asked: str) -> Rates:
    if kv.get("rest") is not None:
        raise Unavailable("the source of rates has just failed")
    try:
        answer = http.fetch(url, headers={"accept": "application/json", "user-agent": "oriel-exchange-rates"})
        if answer.status in (400, 404, 422):
            if asked == "latest":
                raise Unavailable(f"the source of rates answers {answer.status}")
            raise InvalidInput(f"there are no rates of {asked}")
        if not answer.ok:
            raise Unavailable(f"the source of rates answers {answer.status}")
        rates = parse(answer.content, asked)
    except (Unavailable, LimitExceeded, Nonsense) as error:
        kv.set("rest", "", ttl_ms=REST_MS)
        metrics.add("failed")
        if isinstance(error, Unavailable):
            raise
        raise Unavailable(f"the source's answer cannot be used: {error}") from None
    except Denied:
        raise
    metrics.add("asked")
    return rates
