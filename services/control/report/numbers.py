"""Numbers as the page shows them: short enough for a table, exact enough to act on."""

import math

_THIN = "\u202f"
"""A narrow space that does not break: a unit stays beside its number."""
NONE = "–"
_SIZES = ("B", "kB", "MB", "GB", "TB")


def count(number: float | None) -> str:
    """12,345."""
    return NONE if number is None else f"{number:,.0f}"


def compact(number: float) -> str:
    """12.3 k, for axes."""
    return _scaled(number, ("", "k", "M", "G"))


def size(number: float | None) -> str:
    """12.3 MB."""
    return NONE if number is None else _scaled(number, _SIZES)


def percent(share: float | None) -> str:
    """6.88 %; more digits where it would read as nothing."""
    if share is None:
        return NONE
    value = share * 100
    digits = 2 if value == 0 or abs(value) >= 0.01 else 4
    return f"{value:.{digits}f}{_THIN}%"


def short_percent(share: float) -> str:
    """6.9 %, for axes and marks."""
    value = share * 100
    digits = next((digits for digits in range(4) if round(value, digits) == round(value, 6)), 4)
    return f"{value:.{min(digits, 2) if abs(value) >= 0.01 else digits}f}{_THIN}%"


def seconds(number: float | None) -> str:
    """0.8 s, 42 s, 3 min 20 s."""
    if number is None:
        return NONE
    if number < 60:
        return f"{number:.1f}{_THIN}s"
    minutes, rest = divmod(round(number), 60)
    if minutes < 60:
        return f"{minutes}{_THIN}min {rest}{_THIN}s"
    return f"{minutes // 60}{_THIN}h {minutes % 60}{_THIN}min"


def money(amount: float, currency: str) -> str:
    """Two significant digits below one unit: a run may cost less than a cent."""
    digits = 2 if amount >= 1 or amount == 0 else min(1 - math.floor(math.log10(amount)), 7)
    return f"{amount:.{digits}f}{_THIN}{currency}"


def signed(number: float) -> str:
    """+1,234."""
    return f"{number:+,.0f}".replace("-", "−") if number else "0"


def points(difference: float) -> str:
    """A difference of two shares, in percentage points."""
    value = round(difference * 100, 2)
    return f"{value:+.2f}{_THIN}pp".replace("-", "−") if value else f"0.00{_THIN}pp"


def relative(now: float, before: float) -> str:
    """By how much it grew; nothing can be said of what was 0."""
    return f"{now / before - 1:+.1%}".replace("-", "−").replace("%", f"{_THIN}%") if before else NONE


def _scaled(number: float, units: tuple[str, ...]) -> str:
    power = 0
    while abs(number) >= 999.5 and power < len(units) - 1:
        number, power = number / 1000, power + 1
    text = f"{number:.0f}" if power == 0 or abs(number) >= 99.95 else f"{number:.1f}"
    return f"{text}{_THIN}{units[power]}" if units[power] else text
