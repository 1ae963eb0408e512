"""Brings texts, numbers and dates that people typed into one form."""

import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Literal

from oriel_extension import InvalidInput, program

Scalar = str | float | bool | None

MONTHS = {name: at for at, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
DATES = [
    re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?:[T ].*)?"),
    re.compile(r"(?P<d>\d{1,2})\.\s?(?P<m>\d{1,2})\.\s?(?P<y>\d{4})"),
    re.compile(r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})"),
    re.compile(r"(?P<d>\d{1,2})(?:st|nd|rd|th)? (?P<n>[a-z]{3})[a-z]*\.?,? (?P<y>\d{4})", re.I),
    re.compile(r"(?P<n>[a-z]{3})[a-z]*\.? (?P<d>\d{1,2})(?:st|nd|rd|th)?,? (?P<y>\d{4})", re.I),
]
NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:[ ',.]\d{3})+|\d+)?(?:[.,]\d+)?(?:e[-+]?\d+)?", re.I)


@dataclass
class Value:
    value: Scalar
    kind: Literal["auto", "text", "number", "date"] = "auto"


@dataclass
class Normal:
    kind: str
    normal: Scalar
    changed: bool


@program
def normalise(given: Value) -> Normal:
    value = given.value
    if value is None or isinstance(value, bool):
        return Normal("empty" if value is None else "boolean", value, False)
    if isinstance(value, (int, float)):
        return Normal("number", value, False)
    text = clean(value)
    if text == "":
        return Normal("empty", None, True)
    for kind, read in (("date", as_date), ("number", as_number)):
        if given.kind in ("auto", kind):
            found = read(text)
            if found is not None:
                return Normal(kind, found, found != value)
            if given.kind == kind:
                raise InvalidInput(f"at `value`: not a {kind}: {text[:40]!r}")
    return Normal("text", text, text != value)


def clean(text: str) -> str:
    """One form for characters, no control characters, single spaces, plain quotes and dashes."""
    text = unicodedata.normalize("NFKC", text).translate({0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x2212: "-"})
    kept = (" " if character.isspace() else character for character in text)
    return " ".join("".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cf")).split())


def as_date(text: str) -> str | None:
    for form in DATES:
        found = form.fullmatch(text)
        if found is None:
            continue
        parts = found.groupdict()
        month = MONTHS.get(parts["n"].lower()) if parts.get("n") else int(parts["m"])
        try:
            return date(int(parts["y"]), month or 0, int(parts["d"])).isoformat()
        except ValueError:
            continue
    return None


def as_number(text: str) -> float | int | None:
    bare = text.strip("€$£% ").replace("'", "").replace(" ", "")
    if not bare or not any(c.isdigit() for c in bare) or NUMBER.fullmatch(bare) is None:
        return None
    comma, point = bare.rfind(","), bare.rfind(".")
    if comma > point:
        # The last separator is the decimal one, unless it stands before exactly three digits and again elsewhere.
        grouped = bare.count(",") > 1 or (point < 0 and re.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}", bare) is not None)
        bare = bare.replace(",", "") if grouped else bare.replace(".", "").replace(",", ".")
    elif point >= 0:
        bare = bare.replace(".", "") if bare.count(".") > 1 else bare.replace(",", "")
    number = float(bare)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
