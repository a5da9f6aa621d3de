"""When did it happen, in the forms that nearly all events have: a column of texts at once, digit by digit.

These forms are read as `timestamps.from_text` reads them, many times as fast; all else is left to it.
"""

from itertools import product

import numpy as np
import pyarrow as pa

_SECOND = "0000-00-00T00:00:00"
_FRACTIONS = ["", *("." + "0" * digits for digits in range(1, 10))]
_OFFSET = "+00:00"
_FORMS = [f"{_SECOND}{fraction}{zone}" for fraction, zone in product(_FRACTIONS, ("", "Z", _OFFSET))]
_MARKS = {"T": "T ", "+": "+-"}
"""In all of these forms 0 stands for any digit, T for a blank too, and + for a minus too."""
_LENGTHS = sorted({len(form) for form in _FORMS})
_FIRST_DAYS = np.arange("0000-01", "10000-02", dtype="M8[M]").astype("M8[D]").astype(np.int64)
"""The first day of each month, in days since 1970, by the months since the year 0."""


def common_times(texts: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """The times of texts (int64, µs since 1970 UTC; 0 if unknown), and which are known: those in a common form."""
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    characters, lengths = np.frombuffer(content or b"", np.uint8), np.diff(ends)
    times, known = np.zeros(len(texts), np.int64), np.zeros(len(texts), bool)
    there = np.bincount(np.minimum(lengths, _LENGTHS[-1] + 1), minlength=_LENGTHS[-1] + 1)
    for length in (length for length in _LENGTHS if there[length]):
        rows = np.flatnonzero(lengths == length)
        at_every_place = np.lib.stride_tricks.sliding_window_view(characters, length)
        columns = np.ascontiguousarray(at_every_place[ends[rows]].T)  # a column for each text
        for form in (form for form in _FORMS if len(form) == length):
            fitting = _has_marks(columns, form)
            if fitting.any():
                read, is_time = _read(columns, form)
                good = fitting & is_time
                times[rows[good]], known[rows[good]] = read[good], True
    return times, known


def _has_marks(columns: np.ndarray, form: str) -> np.ndarray:
    """Whether texts have all of a form that is no digit."""
    fitting = np.ones(columns.shape[1], bool)
    for place, mark in enumerate(form):
        if mark != "0":
            fitting &= np.logical_or.reduce([columns[place] == ord(fit) for fit in _MARKS.get(mark, mark)])
    return fitting


def _read(columns: np.ndarray, form: str) -> tuple[np.ndarray, np.ndarray]:
    """Times, and whether they are any, of texts that have a form's marks."""
    digits = columns - ord("0")
    is_digit = digits[[place for place, mark in enumerate(form) if mark == "0"]] < 10
    is_time = np.logical_and.reduce(is_digit)

    def number(place: int, lowest: int = 0, highest: int = 99) -> np.ndarray:
        found = digits[place] * 10 + digits[place + 1]  # it fits in a byte
        is_time[(found < lowest) | (found > highest)] = False
        return found.astype(np.int64)

    months = (number(0) * 100 + number(2)) * 12 + number(5, 1, 12) - 1
    is_time &= months >= 12  # there is no year 0
    months[~is_time] = 0
    days = _FIRST_DAYS[months] + number(8, 1) - 1
    is_time &= days < _FIRST_DAYS[months + 1]
    minutes = (days * 24 + number(11, 0, 23)) * 60 + number(14, 0, 59)
    if form.endswith(_OFFSET):
        sign = len(form) - len(_OFFSET)
        east = number(sign + 1, 0, 23) * 60 + number(sign + 4, 0, 59)
        minutes -= np.where(columns[sign] == ord("-"), -east, east)
    times = (minutes * 60 + number(17, 0, 59)) * 1_000_000
    fraction = range(len(_SECOND) + 1, len(form.removesuffix(_OFFSET).removesuffix("Z")))
    for power, place in zip((100_000, 10_000, 1000, 100, 10, 1), fraction, strict=False):  # below µs cut off
        times += digits[place] * np.int64(power)
    return times, is_time
