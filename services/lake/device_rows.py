"""Whose rows a file of the lake or of a drop holds: by column service_tag, in quarantine by the row's JSON."""

from typing import NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.contracts.text import WHITE_SPACE
from services.lake.erasures import IsErased
from services.lake.parquet import read_group, written_footer
from services.lake.store import Store

QUARANTINED_ROW = "row"
"""Quarantine's column of source rows as JSON text."""


class RowsOf(NamedTuple):
    """Rows of one file."""

    rows: int
    wanted: int
    """Those of the devices that were looked for."""


def rows_in_lake(store: Store, key: str, etag: str, is_wanted: IsErased) -> RowsOf:
    """Read whose rows a published file holds, all of them; ChangedError where it is no longer that file."""
    footer = written_footer(store, key, etag)
    column = QUARANTINED_ROW if key.startswith("quarantine/") else "service_tag"
    found = 0
    for group in range(footer.num_row_groups):
        with store.open(key, etag) as handle:
            found += int(rows_of(read_group(handle, footer, group, [column]), is_wanted).sum())
    return RowsOf(footer.num_rows, found)


def rows_in_drop(store: Store, key: str, etag: str, is_wanted: IsErased) -> RowsOf:
    """The same of a source file, which may hold tags of any string form; pa.ArrowException where it is broken."""
    with store.open(key, etag) as handle, pq.ParquetFile(handle, pre_buffer=False) as reader:
        found = 0
        for batch in reader.iter_batches(1 << 16, columns=["service_tag"], use_threads=False):
            found += int(rows_of(pa.table({"service_tag": batch[0]}), is_wanted).sum())
        return RowsOf(reader.metadata.num_rows, found)


def rows_of(rows: pa.Table, is_wanted: IsErased) -> np.ndarray:
    """Bool per row: whether it is of a wanted device."""
    if QUARANTINED_ROW in rows.column_names and "service_tag" not in rows.column_names:
        return np.array([_is_quarantined(text, is_wanted) for text in rows[QUARANTINED_ROW].to_pylist()], dtype=bool)
    tags = rows["service_tag"].combine_chunks()
    encoded = tags if pa.types.is_dictionary(tags.type) else pc.dictionary_encode(tags)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], encoded.type)
    wanted = np.array([*(_is_tag(value, is_wanted) for value in encoded.dictionary), False], dtype=bool)
    return wanted[pc.fill_null(encoded.indices.cast(pa.int64()), len(wanted) - 1).to_numpy()]


def without_devices(rows: pa.Table, is_wanted: IsErased) -> pa.Table:
    """The rows of all other devices; the very table where there are no others."""
    wanted = rows_of(rows, is_wanted)
    return rows.filter(pa.array(~wanted)) if wanted.any() else rows


def _is_quarantined(text: str, is_wanted: IsErased) -> bool:
    """Judge a refused row; a tag that is not UTF-8 stands there as an object and is nobody's."""
    tag = orjson.loads(text).get("service_tag")
    return isinstance(tag, str) and is_wanted(tag.strip(WHITE_SPACE))


def _is_tag(value: pa.Scalar, is_wanted: IsErased) -> bool:
    try:
        tag = value.as_py()
    except UnicodeDecodeError:  # a broken string of a source file: no device has it
        return False
    return tag is not None and is_wanted(tag.strip(WHITE_SPACE))
