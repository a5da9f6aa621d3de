"""When did it happen, in the forms that nearly all events have: a column of texts at once, digit by digit.

These forms are read as `timestamps.from_text` reads them, many times as fast; all else is left to it.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pyarrow as pa

_SECOND = "0000-00-00T00:00:00"
_BLANK = _SECOND.index("T")
_FRACTIONS = ["", *("." + "0" * digits for digits in range(1, 10))]
_OFFSET = "+00:00"
_FORMS = [f"{_SECOND}{fraction}{zone}" for fraction, zone in product(_FRACTIONS, ("", "Z", _OFFSET))]
"""In all of these 0 stands for any digit, T for a blank too, and + for a minus too."""
_TEXTS = {str, type(None)}


def common_times(values: Sequence[object]) -> pa.Array:
    """The times (int64, µs since 1970 UTC) of the values that are strings in a common form; null for all others."""
    if not _TEXTS.issuperset(map(type, values)):
        values = [value if isinstance(value, str) else None for value in values]
    texts = pa.array(values, pa.string())
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[: len(texts) + 1]
    characters, lengths = np.frombuffer(content or b"", np.uint8), np.diff(ends)
    times, known = np.zeros(len(texts), np.int64), np.zeros(len(texts), bool)
    for length in {*map(len, _FORMS)}.intersection(np.unique(lengths).tolist()):
        rows = np.flatnonzero(lengths == length)
        at_every_place = np.lib.stride_tricks.sliding_window_view(characters, length)
        columns = np.ascontiguousarray(at_every_place[ends[rows]].T)  # a column for each text
        for form, places in _by_form(columns):
            times[rows[places]], known[rows[places]] = _read(columns[:, places], form)
    return pa.array(times, mask=~known)


def _by_form(columns: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The forms that texts of one length have, and which texts have them."""
    seen = np.where(columns - ord("0") < 10, ord("0"), columns)
    seen[_BLANK, seen[_BLANK] == ord(" ")] = ord("T")
    sign = seen[-len(_OFFSET)]
    sign[sign == ord("-")] = ord("+")
    forms = [form for form in _FORMS if len(form) == len(columns)]
    places = [
        np.flatnonzero((seen == np.frombuffer(form.encode(), np.uint8)[:, np.newaxis]).all(axis=0)) for form in forms
    ]
    return [(form, found) for form, found in zip(forms, places, strict=True) if len(found)]


def _read(columns: np.ndarray, form: str) -> tuple[np.ndarray, np.ndarray]:
    """Times, and whether they are any, of texts that have the form."""
    digits = columns.astype(np.int32) - ord("0")

    def number(first: int, count: int = 2) -> np.ndarray:
        value = digits[first]
        for digit in digits[first + 1 :][: count - 1]:
            value = value * 10 + digit
        return np.asarray(value)

    year, month, day, hour, minute, second = number(0, 4), *map(number, (5, 8, 11, 14, 17))
    is_time = (year > 0) & (month >= 1) & (month <= 12) & (hour < 24) & (minute < 60) & (second < 60)
    months = (year - 1970) * 12 + month - 1 + np.array([[0], [1]])
    first_day, next_first = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    is_time &= (day >= 1) & (day <= next_first - first_day)
    if form.endswith(_OFFSET):
        sign = len(form) - len(_OFFSET)
        hours_east, minutes_east = number(sign + 1), number(sign + 4)
        is_time &= (hours_east < 24) & (minutes_east < 60)
        minute = minute - (hours_east * 60 + minutes_east) * np.where(columns[sign] == ord("-"), -1, 1)
    seconds = ((first_day + day - 1) * 24 + hour) * 3600 + minute * 60 + second
    shown = min(form.removesuffix(_OFFSET).count("0", len(_SECOND)), 6)  # below µs cut off
    microseconds = number(len(_SECOND) + 1, shown) * 10 ** (6 - shown) if shown else 0
    return seconds * 1_000_000 + microseconds, is_time
