"""How a timestamp is written: the parts of which the table of forms is made.

A valid form takes an instant (UTC, µs) and gives what is written and the instant that it stands for (µs since 1970),
as a form may drop what it cannot say. A near form gives only what is written, which no
rule reads, or reads far outside any window.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

import orjson

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WHITE_SPACE = (
    " ",
    "\t",
    "\n",
    "\r",
    "\x85",
    "\xa0",
    "\u1680",
    "\u2003",
    "\u2028",
    "\u202f",
    "\u205f",
    "\u3000",
)
"""Of Unicode's White_Space property."""
ODD_BLANKS = ("\u200b", "\x1c", "\ufeff")
"""Look blank, or are taken for it by one library or another, and are not White_Space."""

Valid = Callable[[datetime], tuple[Any, int]]
Near = Callable[[datetime], Any]


class Form(NamedTuple):
    """One row of the contract's table of forms: how it is written, and how it is nearly written."""

    meaning: str
    valid: tuple[Valid, ...]
    near: tuple[Near, ...]


def at(time: int) -> datetime:
    return EPOCH + timedelta(microseconds=time)


def micros(when: datetime) -> int:
    return (when - EPOCH) // timedelta(microseconds=1)


def strftime(pattern: str, keeps: int) -> Valid:
    """Strftime's pattern, which says whole units of `keeps` µs."""
    return lambda when: (when.strftime(pattern), micros(when) // keeps * keeps)


def nearly(*patterns: str) -> tuple[Near, ...]:
    return tuple(_pattern(pattern) for pattern in patterns)


def always(value: object) -> Near:
    return lambda _: value


def _pattern(pattern: str) -> Near:
    return lambda when: when.strftime(pattern)


def with_zone(pattern: str, zone: str, minutes: int) -> Valid:
    """Local time before the offset `zone`, which is `minutes` east."""
    local = timedelta(minutes=minutes)
    return lambda when: ((when + local).strftime(pattern) + zone, micros(when) // SECOND * SECOND)


def with_digits(pattern: str, digits: int, mark: str = ".", ending: str = "") -> Valid:
    """A fraction of 1–9 digits; those below µs are cut off."""

    def valid(when: datetime) -> tuple[str, int]:
        fraction = f"{when.microsecond:06d}789"[:digits]
        kept = int(fraction[:6].ljust(6, "0"))
        return f"{when.strftime(pattern)}{mark}{fraction}{ending}", micros(when) // SECOND * SECOND + kept

    return valid


def counting(unit: int, kind: Callable[[int], Any]) -> Valid:
    """An integer that counts units of `unit` µs."""
    return lambda when: (kind(micros(when) // unit), micros(when) // unit * unit)


def in_nanoseconds(kind: Callable[[int], Any]) -> Valid:
    return lambda when: (kind(micros(when) * 1_000 + 999), micros(when))


def _nearest(text: str, micros_each: Fraction) -> int:
    """The double nearest to the text, exactly, in µs, half to even."""
    return round(Fraction(float(text)) * micros_each)


def with_point(unit: Fraction, digits: int, kind: Callable[[str], Any]) -> Valid:
    """A number of units of `unit` µs, with `digits` after the point."""

    def valid(when: datetime) -> tuple[Any, int]:
        scaled = round(micros(when) / unit * 10**digits)
        text = f"{scaled // 10**digits}.{scaled % 10**digits:0{digits}d}"
        return kind(text), _nearest(text, unit)

    return valid


def half_more(when: datetime) -> tuple[str, int]:
    """Half a µs more, which a double can hold: rounds to the even neighbour."""
    time = micros(when)
    return f"{time}.5", time + time % 2


def raw_number(text: str) -> orjson.Fragment:
    """A JSON number in exactly this spelling."""
    return orjson.Fragment(text.encode())


def slashes(pattern: str, keeps: int) -> Valid:
    """Month first; {m} {d} {h} {i} are month, day, hour and hour of twelve without leading zeros."""

    def valid(when: datetime) -> tuple[str, int]:
        return slashes_text(pattern, when), micros(when) // keeps * keeps

    return valid


def nearly_slashes(*patterns: str) -> tuple[Near, ...]:
    return tuple(_us_pattern(pattern) for pattern in patterns)


def _us_pattern(pattern: str) -> Near:
    return lambda when: slashes_text(pattern, when)


def slashes_text(pattern: str, when: datetime) -> str:
    twelve = when.hour % 12 or 12
    return when.strftime(pattern.format(m=when.month, d=when.day, h=when.hour, i=twelve))


def wmi(offset: int) -> Valid:
    return lambda when: (f"{when + timedelta(minutes=offset):%Y%m%d%H%M%S.%f}{offset:+04d}", micros(when))


def net_date(ending: str) -> Valid:
    return lambda when: (f"/Date({micros(when) // 1_000}{ending})/", micros(when) // 1_000 * 1_000)


def padded(before: str, after: str) -> Valid:
    return lambda when: (f"{before}{when:%Y-%m-%dT%H:%M:%S}{after}", micros(when) // SECOND * SECOND)


def nearly_padded(blank: str) -> Near:
    return lambda when: f"{blank}{when:%Y-%m-%dT%H:%M:%S}"
