"""Converts amounts between currencies, in decimals."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

from oriel_extension import InvalidInput, config, lifecycle, program
from rates import find, is_day

# ISO 4217: currencies whose minor unit is not a hundredth.
PLACES = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
# More than the digits of any amount and any two rates together.
EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)


@dataclass
class Settings:
    url: str = "https://api.frankfurter.dev/v1/{date}"
    fresh_for: str = "1h"
    stale_for: str = "3d"


def milliseconds(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


def decimal(amount: str | int | float) -> Decimal:
    number = Decimal(repr(amount)) if isinstance(amount, float) else Decimal(amount)
    # In a context that keeps every digit.
    plain = number.normalize(EXACT)
    # The shortest text that means a float is what somebody wrote, up to 15 digits.
    if isinstance(amount, float) and len(plain.as_tuple().digits) > 15:
        raise InvalidInput("`amount` has more digits than a JSON number can hold: give it as text")
    if plain.adjusted() >= 18 or plain.as_tuple().exponent < -12:
        raise InvalidInput("`amount` has more than 18 digits before the point or 12 after it")
    return number


@program
def convert(asked: dict) -> dict:
    settings = config.get(Settings)
    day = asked.get("date", "latest")
    if day != "latest" and not is_day(day):
        raise InvalidInput(f"`date`: {day} is no day")
    amount, source, target = decimal(asked["amount"]), asked["from"], asked["to"]
    rates, stale = find(settings.url, day, milliseconds(settings.fresh_for), milliseconds(settings.stale_for))
    of_source, of_target = rates.of(source), rates.of(target)
    for name, code, rate in (("from", source, of_source), ("to", target, of_target)):
        if rate is None:
            raise InvalidInput(f"`{name}`: there is no rate of {code} on {rates.date}")
    with localcontext(EXACT):
        result = amount * of_target / of_source
        places = asked.get("places", PLACES.get(target, 2))
        rounded = result.quantize(Decimal(1).scaleb(-places))
        rate = Context(prec=10, rounding=ROUND_HALF_EVEN).divide(of_target, of_source)
        return {
            "amount": f"{amount:f}",
            "from": source,
            "to": target,
            "rate": f"{rate.normalize():f}",
            # Not minus nothing.
            "result": f"{rounded if rounded else abs(rounded):f}",
            "date": rates.date,
            "stale": stale,
        }


@lifecycle.check_config
def check(settings: dict) -> list[lifecycle.ConfigProblem]:
    problems = []
    url = settings.get("url", Settings.url)
    if "{date}" not in url:
        problems.append(lifecycle.ConfigProblem("/url", "must say where the day goes: {date}"))
    if url.startswith("http://") and not url.startswith(("http://127.0.0.1:", "http://localhost:")):
        problems.append(lifecycle.ConfigProblem("/url", "must be https: who can change rates can change prices"))
    if milliseconds(settings.get("stale_for", "3d")) < milliseconds(settings.get("fresh_for", "1h")):
        problems.append(lifecycle.ConfigProblem("/stale_for", "must not be shorter than `fresh_for`"))
    return problems
