"""Source columns of any accepted type → the types of raw."""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from services.contracts.source import is_binary, is_text, plain
from services.contracts.text import WHITE_SPACE
from services.ingest.json_text import json_column
from services.ingest.nested import decoded, with_leaves

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_INT64_MAX = 2**63 - 1


def text(column: pa.Array) -> pa.Array:
    """Any string form (or an all-null column) → string."""
    return decoded(column).cast(pa.string())


class Trimmer:
    """Any string form → dictionary of strings without white space around.

    Work is done once per value, and once for the batches of a row group, which come with the same dictionary.
    """

    def __init__(self) -> None:
        self._values = pa.array([], pa.string())
        self._trimmed = self._values.dictionary_encode()

    def __call__(self, column: pa.Array) -> pa.Array:
        """The column, trimmed."""
        if pat.is_null(column.type):
            column = column.cast(pa.string())
        encoded = column if pat.is_dictionary(column.type) else column.dictionary_encode()
        if not encoded.dictionary.equals(self._values):
            self._values = encoded.dictionary
            values = pc.utf8_trim(self._values.cast(pa.string()), characters=WHITE_SPACE)
            self._trimmed = values.dictionary_encode()  # " A" and "A" were two values and are one now
        values = self._trimmed.dictionary
        if encoded.indices.null_count == len(encoded):
            return pa.DictionaryArray.from_arrays(pa.nulls(len(encoded), pa.int32()), values)
        return pa.DictionaryArray.from_arrays(self._trimmed.indices.take(encoded.indices.cast(pa.int32())), values)


def pn_text(column: pa.Array) -> pa.Array:
    """Strings as they are, integers as strings."""
    return decoded(column).cast(pa.string()) if pat.is_integer(plain(column.type)) else column


def ev_text(column: pa.Array) -> pa.Array:
    """Strings as they are; binary → text (its UTF-8 is judged later); struct and map → canonical JSON."""
    column = decoded(column)
    if is_text(column.type) or pat.is_null(column.type):
        return column.cast(pa.string())
    if is_binary(column.type):
        return _reinterpreted(column.cast(pa.binary()), pa.string())
    return json_column(with_text_times(column))


def ts_text(column: pa.Array) -> pa.Array:
    """Strings as they are; times → `YYYY-MM-DDTHH:MM:SS[.f]Z`; numbers → shortest decimal; others → null."""
    column = decoded(column)
    if is_text(column.type) or pat.is_null(column.type):
        return column.cast(pa.string())
    if pat.is_integer(column.type):
        return column.cast(pa.string())
    if pat.is_floating(column.type):
        return pa.array([_decimal_text(v) for v in column.to_numpy(zero_copy_only=False)], pa.string())
    return time_text(column)


def time_text(column: pa.Array) -> pa.Array:
    """Timestamps and dates → `YYYY-MM-DDTHH:MM:SS[.f]Z`, f without trailing zeros; no zone = UTC.

    Null beyond the years ±32767, which is what an exported "infinity" is: Arrow writes an error instead of a text.
    """
    if pat.is_date(column.type):
        column = column.cast(pa.date32()).cast(pa.timestamp("s"))
    naive = column.cast(pa.int64()).cast(pa.timestamp(column.type.unit))
    written = naive.cast(pa.string())
    written = pc.if_else(pc.starts_with(written, "<"), None, written)
    written = pc.replace_substring(written, " ", "T", max_replacements=1)
    short = pc.replace_substring_regex(written, r"(\.[0-9]*?)0+$", r"\1")
    return pc.binary_join_element_wise(pc.replace_substring_regex(short, r"\.$", ""), "Z", "")


def eventdate_ns(column: pa.Array) -> tuple[pa.Array, int]:
    """Any accepted form → int64 ns since 1970, and how many values could not become that (null now).

    NaN counts as null, not as unusable.
    """
    column = decoded(column)
    if pat.is_null(column.type):
        return column.cast(pa.int64()), 0
    if pat.is_timestamp(column.type):
        return _scaled(column)
    if is_text(column.type):
        return _checked(column, [_from_string(v) for v in column.to_pylist()])
    if pat.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
        return _checked(column, [_from_float(v) for v in column.to_pylist()])
    return _fitting(column)


def extra_column(column: pa.Array, type_: pa.DataType, *, as_json: bool) -> pa.Array:
    """A column that the contract does not know: as it is, or as JSON text (strings as they are)."""
    column = decoded(column)
    if as_json and not is_text(column.type) and not pat.is_null(column.type):
        return json_column(with_text_times(column))
    return column.cast(type_)


def with_text_times(column: pa.Array) -> pa.Array:
    """The same values, at any depth, with times as text and durations as numbers.

    What is left Python can hold: it has no nanoseconds, no year 10000, and not every time zone.
    """
    return with_leaves(column, _text_time)


def _text_time(column: pa.Array) -> pa.Array:
    type_ = column.type
    if pat.is_timestamp(type_) or pat.is_date(type_):
        return time_text(column)
    if pat.is_time(type_):
        return column.cast(pa.string())
    return column.cast(pa.int64()) if pat.is_duration(type_) else decoded(column)


def _reinterpreted(column: pa.Array, type_: pa.DataType) -> pa.Array:
    """The same bytes under another type, unchecked."""
    return pa.Array.from_buffers(type_, len(column), column.buffers(), column.null_count, column.offset)


def _decimal_text(value: Any) -> str | None:
    if not np.isfinite(value):
        return None
    return np.format_float_positional(value, unique=True, trim="0")


def _checked(column: pa.Array, values: list[int | None]) -> tuple[pa.Array, int]:
    result = pa.array(values, pa.int64())
    return result, result.null_count - column.null_count


def _from_string(value: str | None) -> int | None:
    if value is None or not _INTEGER.fullmatch(stripped := value.strip(WHITE_SPACE)):
        return None
    return _in_range(int(stripped))


def _from_float(value: float | None) -> int | None:
    if value is None or value != value or value in (float("inf"), float("-inf")) or not value.is_integer():
        return None
    return _in_range(int(value))


def _in_range(value: int) -> int | None:
    return value if -_INT64_MAX - 1 <= value <= _INT64_MAX else None


def _scaled(column: pa.Array) -> tuple[pa.Array, int]:
    """Timestamps of any unit → ns, those beyond int64 → null."""
    factor = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[column.type.unit]
    units = column.cast(pa.int64())
    highest, lowest = _INT64_MAX // factor, -((_INT64_MAX + 1) // factor)
    fits = pc.and_(pc.less_equal(units, highest), pc.greater_equal(units, lowest))
    result = pc.multiply(pc.if_else(fits, units, None), factor)
    return result, result.null_count - column.null_count


def _fitting(column: pa.Array) -> tuple[pa.Array, int]:
    """Integers of any width → int64, those beyond it → null."""
    if pat.is_uint64(column.type):
        column_fits = pc.less_equal(column, pa.scalar(_INT64_MAX, pa.uint64()))
        result = pc.if_else(column_fits, column, None).cast(pa.int64())
        return result, result.null_count - column.null_count
    return column.cast(pa.int64()), 0
