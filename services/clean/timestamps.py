"""When did it happen: every timestamp form of the contract, read exactly; everything else is unusable.

All functions return microseconds since 1970-01-01 UTC, or None for what is unusable. None of them knows
the window in which a time is plausible, and none guesses.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from services.contracts.text import WHITE_SPACE

Unit = Literal["s", "ms", "us", "ns"]

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (calendar arithmetic, no clock)
_EPOCH_DAY = _EPOCH.toordinal()
_INT64 = range(-(2**63), 2**63)

_CLOCK = r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
_ZONE = r"(?: ?(Z|z|[+-][0-9]{2}(?::?[0-9]{2})?))?"
_ISO = re.compile(rf"([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}})(?:[Tt ]{_CLOCK}{_ZONE})?")
_ISO_BASIC = re.compile(
    rf"([0-9]{{4}})([0-9]{{2}})([0-9]{{2}})[Tt]([0-9]{{2}})([0-9]{{2}})(?:([0-9]{{2}})(?:[.,]([0-9]{{1,9}}))?)?{_ZONE}"
)
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT = re.compile(r"[+-]?[0-9]+\.[0-9]+")
_MS_DATE = re.compile(r"/Date\((-?[0-9]{1,19})(?:[+-][0-9]{4})?\)/")
_WMI = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})\.([0-9]{6})([+-][0-9]{3})")
_TWELVE = r"(?:[ \u00a0\u202f]?([AaPp])[Mm])?"
_TIME = rf"(?: ([0-9]{{1,2}}):([0-9]{{2}})(?::([0-9]{{2}})(?:\.([0-9]{{1,9}}))?)?{_TWELVE})?"
_SLASHED = re.compile(rf"([0-9]{{1,2}})/([0-9]{{1,2}})/([0-9]{{4}})(?:,(?= ))?{_TIME}")
_YEAR_FIRST = re.compile(rf"([0-9]{{4}})/([0-9]{{1,2}})/([0-9]{{1,2}})(?:,(?= ))?{_TIME}")


def from_json(value: object, *, day_first: bool = False) -> int | None:
    """A value that JSON held: a string in any form, an integer or a float; nothing else is a time."""
    if isinstance(value, str):
        return from_text(value, day_first=day_first)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return from_integer(value)
    return from_float(value) if isinstance(value, float) else None


def from_text(text: str, *, day_first: bool = False) -> int | None:
    """A string in any form of the contract; white space around is ignored."""
    text = text.strip(WHITE_SPACE)
    for form, read in _FORMS:
        match = form.fullmatch(text)
        if match:
            return read(match)
    match = _SLASHED.fullmatch(text)
    if match:
        first, second, year, *time = match.groups()
        month, day = (second, first) if day_first else (first, second)
        return _from_parts(year, month, day, *_twelve_hours(*time))
    return None


def from_integer(number: int) -> int | None:
    """An integer since 1970, its unit by its size: s, ms, µs or ns (floored)."""
    unit = _unit(abs(number))
    if unit == "ns" and number not in _INT64:
        return None
    return from_nanoseconds(number) if unit == "ns" else number * _MICROSECONDS[unit]


def from_float(number: float) -> int | None:
    """A float since 1970, its unit by its size; its exact value rounded to µs, half to even."""
    if number != number or abs(number) >= 2**63:
        return None
    numerator, denominator = number.as_integer_ratio()
    unit = _unit(abs(number))
    if unit == "ns":
        denominator *= 1000
    else:
        numerator *= _MICROSECONDS[unit]
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2))


def from_nanoseconds(number: Any) -> Any:
    """Nanoseconds since 1970, or an array of them, floored to µs: what `eventdate` always is."""
    return number // 1000


def year_of(microseconds: int) -> int:
    """The UTC year of a time, also far outside of what calendars of a standard library reach."""
    day = microseconds // 86_400_000_000 + 719_468  # from 0000-03-01, so that a leap day ends a year
    era, day_of_era = divmod(day, 146_097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    january_or_february = day_of_era - (365 * year + year // 4 - year // 100) >= 306
    return int(era * 400 + year + january_or_february)


_MICROSECONDS = {"s": 1_000_000, "ms": 1000, "us": 1}


def _unit(size: float) -> Unit:
    if size < 1e11:
        return "s"
    if size < 1e14:
        return "ms"
    return "us" if size < 1e17 else "ns"


def _iso(match: re.Match[str]) -> int | None:
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    return _from_parts(year, month, day, hour, minute, second, fraction, _zone_minutes(zone))


def _wmi(match: re.Match[str]) -> int | None:
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    return _from_parts(year, month, day, hour, minute, second, fraction, int(offset))


def _milliseconds(match: re.Match[str]) -> int:
    return int(match[1]) * 1000


def _year_first(match: re.Match[str]) -> int | None:
    year, month, day, *time = match.groups()
    return _from_parts(year, month, day, *_twelve_hours(*time))


def _twelve_hours(
    hour: str | None, minute: str | None, second: str | None, fraction: str | None, half: str | None
) -> tuple[str | None, str | None, str | None, str | None]:
    """The hour of a clock with AM or PM on a clock without; an impossible hour becomes one that no day has."""
    if half is None or hour is None:
        return hour, minute, second, fraction
    if not 1 <= int(hour) <= 12:
        return "99", minute, second, fraction
    return str(int(hour) % 12 + (12 if half in "Pp" else 0)), minute, second, fraction


def _zone_minutes(zone: str | None) -> int | None:
    """Minutes east of UTC; None for a zone that cannot be."""
    if zone is None or zone in "Zz":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)


def _from_parts(
    year: str,
    month: str,
    day: str,
    hour: str | None = None,
    minute: str | None = None,
    second: str | None = None,
    fraction: str | None = None,
    offset: int | None = 0,
) -> int | None:
    """A calendar date and time, minutes east of UTC; below µs cut off."""
    if offset is None:
        return None
    h, m, s = int(hour or 0), int(minute or 0), int(second or 0)
    try:
        days = datetime(int(year), int(month), int(day), h, m, s).toordinal() - _EPOCH_DAY  # noqa: DTZ001
    except ValueError:
        return None
    microseconds = int((fraction or "0").ljust(6, "0")[:6])
    return ((days * 24 + h) * 60 + m - offset) * 60_000_000 + s * 1_000_000 + microseconds


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], int | None]], ...] = (
    (_ISO, _iso),
    (_INTEGER, lambda match: from_integer(int(match[0]))),
    (_FLOAT, lambda match: from_float(float(match[0]))),
    (_MS_DATE, _milliseconds),
    (_WMI, _wmi),
    (_ISO_BASIC, _iso),
    (_YEAR_FIRST, _year_first),
)
"""The commonest first; no string fits two of them."""
