"""One batch of source rows → rows for raw, and rows for the quarantine with the reason."""

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.contracts import layout
from services.contracts.source import ExtraColumns, is_binary, is_text, plain, raw_name
from services.contracts.tables import QUARANTINE, raw_schema
from services.ingest.columns import (
    Trimmer,
    ev_text,
    eventdate_ns,
    extra_column,
    pn_text,
    text,
    ts_text,
    with_text_times,
)
from services.ingest.json_text import row_text
from services.ingest.nested import decoded
from services.lake.device_rows import rows_of, without_devices
from services.lake.erasures import IsErased

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_DETAILS = {
    "bad_utf8": "a string in column {} is not UTF-8",
    "no_service_tag": "service_tag is null or blank",
    "bad_pn": "pn cannot name a folder: it is . or .., holds a control character, or is longer than "
    f"{layout.MAX_ENCODED_PN} bytes once encoded",
}

QUARANTINE_PLAIN = pa.schema(
    [field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field for field in QUARANTINE.schema]
)
"""Quarantine as ingest makes it; its writer makes the dictionaries."""


class Rows(NamedTuple):
    """What became of a batch."""

    converted: pa.Table
    """Raw's columns and `pn`, both service_tag and pn as dictionaries; refused rows too."""
    kept: np.ndarray
    """Places of the rows that raw gets: taking them here would copy every text once more."""
    quarantined: pa.Table
    unusable_eventdates: int
    erased: int
    """Rows of erased devices, which are neither raw nor quarantined."""


class RowReader:
    """Judges and converts the batches of one file."""

    def __init__(self, file: str, extra: ExtraColumns, is_erased: IsErased | None = None) -> None:
        self._file, self._extra, self._is_erased = file, extra, is_erased
        self._trimmed_tags, self._trimmed_pns = Trimmer(), Trimmer()

    def read(self, batch: pa.RecordBatch, first_row: int) -> Rows:
        """What becomes of a batch whose first row is row `first_row` of the file."""
        numbers = pa.array(np.arange(first_row, first_row + batch.num_rows))
        batch, broken = _without_broken_dictionaries(batch)
        refused = [_refused(batch, numbers, self._file, "bad_utf8", broken)] if broken else []
        if broken:
            good = np.ones(batch.num_rows, dtype=bool)
            good[list(broken)] = False
            batch, numbers = batch.filter(pa.array(good)), numbers.filter(pa.array(good))
        tags, pns = self._trimmed_tags(batch["service_tag"]), self._trimmed_pns(pn_text(_column(batch, "pn")))
        no_tag = _where(tags, pc.equal(tags.dictionary, "").to_numpy(zero_copy_only=False), null=True)
        bad_pns = np.array([_is_bad_pn(pn) for pn in pns.dictionary.to_pylist()], dtype=bool)
        bad_pn = _where(pns, bad_pns, null=False) & ~no_tag
        for reason, rows in (("no_service_tag", np.flatnonzero(no_tag)), ("bad_pn", np.flatnonzero(bad_pn))):
            if len(rows):
                refused.append(_refused(batch, numbers, self._file, reason, dict.fromkeys(rows.tolist(), "")))
        converted, unusable = _converted(batch, self._file, numbers, tags, pns, self._extra)
        kept, quarantined, erased = ~(no_tag | bad_pn), _in_order(refused), 0
        if self._is_erased:
            gone = kept & rows_of(converted.select(["service_tag"]), self._is_erased)
            left = without_devices(quarantined, self._is_erased)
            erased = int(gone.sum()) + quarantined.num_rows - left.num_rows
            kept, quarantined = kept & ~gone, left
        return Rows(converted, np.flatnonzero(kept), quarantined, unusable, erased)


def _converted(
    batch: pa.RecordBatch, file: str, numbers: pa.Array, tags: pa.Array, pns: pa.Array, extra: ExtraColumns
) -> tuple[pa.Table, int]:
    eventdates, unusable = eventdate_ns(_column(batch, "eventdate"))
    columns = {
        "service_tag": tags,
        "cat": text(batch["cat"]),
        "ev": ev_text(batch["ev"]),
        "ts": ts_text(_column(batch, "ts")),
        "eventdate": eventdates,
        "source_file": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(numbers), np.int32)), [file]),
        "source_row": numbers,
    }
    there = {raw_name(name): name for name in batch.schema.names}
    for field in extra.schema:
        column = _column(batch, there.get(field.name, field.name))
        columns[field.name] = extra_column(column, field.type, as_json=field.name in extra.as_json)
    names = raw_schema(extra.schema).names
    return pa.table({**{name: columns[name] for name in names}, "pn": _named(pns)}), unusable


def _named(pns: pa.Array) -> pa.Array:
    """Null and empty pn → UNKNOWN, on the dictionary."""
    values = pns.dictionary.to_pylist()
    indices = pc.fill_null(pns.indices, len(values))
    named = pa.array([value or layout.UNKNOWN_PN for value in values] + [layout.UNKNOWN_PN], pa.string())
    again = named.dictionary_encode()  # an empty pn, a null one and one named UNKNOWN are the same
    return pa.DictionaryArray.from_arrays(again.indices.take(indices), again.dictionary)


def _where(column: pa.Array, verdicts: np.ndarray, *, null: bool) -> np.ndarray:
    """Each row's verdict, from those on the values of its dictionary."""
    by_code = np.append(verdicts, null)
    return by_code[pc.fill_null(column.indices, len(by_code) - 1).to_numpy()]


@lru_cache(4096)  # more than a drop may have, and every batch asks anew
def _is_bad_pn(pn: str) -> bool:
    return pn in (".", "..") or bool(_CONTROL.search(pn)) or len(layout.encode_pn(pn)) > layout.MAX_ENCODED_PN


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    return batch[name] if name in batch.schema.names else pa.nulls(batch.num_rows)


def _without_broken_dictionaries(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, dict[int, str]]:
    """The batch, and its rows with a string that is not UTF-8 with the first column where it is.

    A dictionary with a broken string would carry it along, used by a row or not: such a column is decoded.
    """
    broken: dict[int, str] = {}
    columns = {name: _without_view(batch[name]) for name in batch.schema.names}
    for name, column in columns.items():
        judged = ev_text(column) if name == "ev" and is_binary(plain(column.type)) else column
        if not _is_valid(judged):
            columns[name] = decoded(column)
            for row in _broken_rows(decoded(judged), 0):
                broken.setdefault(row, name)
    return pa.RecordBatch.from_pydict(columns), broken


def _without_view(column: pa.Array) -> pa.Array:
    """A dictionary as it is, anything else without views: Arrow cannot filter those."""
    return column if pa.types.is_dictionary(column.type) else decoded(column)


def _broken_rows(column: pa.Array, first: int) -> list[int]:
    """Rows of a part of a column that are not valid, found by halves: they are few."""
    if _is_valid(column):
        return []
    if is_text(column.type):
        binary = pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary()
        return [first + place for place, value in enumerate(column.cast(binary).to_pylist()) if not _is_utf8(value)]
    if len(column) == 1:
        return [first]
    # Taken, not sliced: the validation of nested values looks beyond a slice.
    halves = np.array_split(np.arange(len(column)), 2)
    return [row for half in halves for row in _broken_rows(column.take(pa.array(half)), first + int(half[0]))]


def _is_utf8(content: bytes | None) -> bool:
    try:
        (content or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_valid(column: pa.Array) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _refused(batch: pa.RecordBatch, numbers: pa.Array, file: str, reason: str, rows: dict[int, str]) -> pa.Table:
    """Quarantine rows; `rows` maps a row of the batch to the column at fault."""
    places = pa.array(sorted(rows), pa.int64())
    taken = {name: _readable(with_text_times(decoded(batch[name]).take(places))) for name in batch.schema.names}
    texts = [row_text({name: values[i] for name, values in taken.items()}) for i in range(len(places))]
    return pa.table(
        [
            texts,
            [reason] * len(places),
            [_DETAILS[reason].format(rows[place]) for place in sorted(rows)],
            [file] * len(places),
            numbers.take(places),
        ],
        schema=QUARANTINE_PLAIN,
    )


def _readable(column: pa.Array) -> list[object]:
    """Values as Python objects, broken strings as bytes at whatever depth."""
    return column.to_pylist() if _is_valid(column) else [_python(value) for value in column]


def _python(value: pa.Scalar) -> object:
    if not value.is_valid:
        return None
    match value:
        case pa.StructScalar():
            return {name: _python(value[name]) for name in value}
        case pa.ListScalar() | pa.LargeListScalar() | pa.FixedSizeListScalar() | pa.MapScalar():
            return [_python(item) for item in value.values]
        case pa.StringScalar() | pa.LargeStringScalar():
            content = value.as_buffer().to_pybytes()
            try:
                return content.decode()
            except UnicodeDecodeError:
                return content
        case _:
            return value.as_py()


def _in_order(refused: list[pa.Table]) -> pa.Table:
    if not refused:
        return QUARANTINE_PLAIN.empty_table()
    return pa.concat_tables(refused).sort_by("source_row")
