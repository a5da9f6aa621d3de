"""Rows in the order in which they are written; those of a device too large for memory in pieces of bounded size."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_PIECE_BYTES = 24 * 1024**2
_AT_ONCE_BYTES = 4 * _PIECE_BYTES
"""Only a device of millions of rows is larger: its rows lie on scratch and are gathered piece by piece."""


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


Gathered = tuple[pa.Table, np.ndarray, np.ndarray]
"""A table, the places of the rows that are wanted of it, in their order, and the `row_bytes` of all of it."""


def gathered(rows: pa.Table, order: np.ndarray, sizes: np.ndarray) -> Iterator[Gathered]:
    """The rows at these places in this order, in pieces of bounded size; `sizes`: the `row_bytes` of all rows."""
    total = int(sizes.sum())
    if total <= _AT_ONCE_BYTES:
        yield rows, order, sizes
        return
    batches = rows.to_batches()
    starts = np.cumsum([0, *(batch.num_rows for batch in batches)])
    piece_rows = max(1, rows.num_rows * _PIECE_BYTES // total)
    for start in range(0, len(order), piece_rows):
        wanted = order[start : start + piece_rows]
        origin = np.searchsorted(starts, wanted, side="right") - 1
        by_origin = np.argsort(origin, kind="stable")
        parts = [
            batches[b].take(pa.array(wanted[by_origin][first:last] - starts[b]))
            for b, first, last in _runs(origin[by_origin])
        ]
        back = np.empty(len(wanted), dtype=np.int64)
        back[by_origin] = np.arange(len(wanted))
        yield pa.Table.from_batches(parts), back, sizes[wanted[by_origin]]


def _runs(values: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Each run of equal values as (value, first, after the last)."""
    edges = np.flatnonzero(np.diff(values)) + 1
    for first, last in zip([0, *edges], [*edges, len(values)], strict=True):
        yield int(values[first]), int(first), int(last)
