"""Rows in the order in which they are written; those of a device too large for memory in pieces of bounded size."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_PIECE_BYTES = 24 * 1024**2
_AT_ONCE_BYTES = 8 * _PIECE_BYTES
"""Only a device of millions of rows is larger: to look through all of it for every row group would never end."""


def written_order(rows: pa.Table, pn: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The places of the kept rows by pn, service_tag, valid_timestamp (nulls last) and source identity.

    They come by pn (int64, as it grows), service_tag and source identity, so a stable sort within each device is all.
    """
    tags = rows["service_tag"].combine_chunks()
    device = np.zeros(len(tags), dtype=np.int64)
    is_next = pc.not_equal(tags[1:], tags[:-1]).to_numpy(zero_copy_only=False) | (pn[1:] != pn[:-1])
    np.cumsum(is_next, out=device[1:])
    places = np.flatnonzero(kept)
    some = pa.table({"device": device[places], "time": rows["valid_timestamp"].take(pa.array(places))})
    order = pc.sort_indices(some, [("device", "ascending"), ("time", "ascending")])  # stable, nulls last
    return places[order.to_numpy()]


class Gathered(NamedTuple):
    """Rows for one partition's file; the arrays are in the order in which they are written."""

    rows: pa.ChunkedArray
    """Structs, more than are wanted."""
    places: np.ndarray
    """int64: which of them."""
    bytes: np.ndarray
    """int64: their `row_bytes`."""
    copies: np.ndarray
    """int32."""
    held_bytes: int
    """The `row_bytes` of all rows, wanted or not."""


def gathered(rows: pa.ChunkedArray, order: np.ndarray, sizes: np.ndarray, copies: np.ndarray) -> Iterator[Gathered]:
    """The rows at these places in this order, in pieces of bounded size.

    `sizes` and `copies`: the `row_bytes` and the copies of all rows.
    """
    total = int(sizes.sum())
    if total <= _AT_ONCE_BYTES:
        yield Gathered(rows, order, sizes[order], copies[order], total)
        return
    starts = np.cumsum([0, *map(len, rows.chunks)])
    piece_rows = max(1, len(rows) * _PIECE_BYTES // total)
    for start in range(0, len(order), piece_rows):
        wanted = order[start : start + piece_rows]
        origin = np.searchsorted(starts, wanted, side="right") - 1
        by_origin = np.argsort(origin, kind="stable")
        parts = [
            rows.chunk(chunk).take(pa.array(wanted[by_origin][first:last] - starts[chunk]))
            for chunk, first, last in _runs(origin[by_origin])
        ]
        back = np.empty(len(wanted), dtype=np.int64)
        back[by_origin] = np.arange(len(wanted))
        yield Gathered(pa.chunked_array(parts), back, sizes[wanted], copies[wanted], int(sizes[wanted].sum()))


def _runs(values: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Each run of equal values as (value, first, after the last)."""
    edges = np.flatnonzero(np.diff(values)) + 1
    for first, last in zip([0, *edges], [*edges, len(values)], strict=True):
        yield int(values[first]), int(first), int(last)
