"""The drop's one spill: batches sorted by pn and device, on scratch disk, read back by memory map.

A run comes from consecutive rows of one file, so runs in file order, each sorted stably by device, hold
the rows of a device in the order of their identity.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.lake.local import full_disk_is_temporary

RUN_BYTES = 32 * 1024**2
"""Rows are gathered to this size, sorted and written: small enough for several workers at once."""
_CHUNK_BYTES = 24 * 1024**2
"""What is merged at a time; one device may be larger and comes in several chunks."""


class Slice(NamedTuple):
    """The rows of one pn in one run: sorted by service_tag, then by their order in the source."""

    rows: pa.Table
    bytes: int


class Run(NamedTuple):
    """A sorted run on disk."""

    path: Path
    bounds: dict[str, tuple[int, int]]
    """First row and the row after the last, by pn."""
    bytes: int


def write_run(rows: pa.Table, path: Path) -> Run:
    """Sort rows of one file (with `pn`) by pn and service_tag and write them to scratch."""
    rows = rows.unify_dictionaries().combine_chunks()
    pns, pn_rank = _ranked(rows["pn"])
    _, tag_rank = _ranked(rows["service_tag"])
    order = np.lexsort((tag_rank, pn_rank))
    rows = rows.set_column(0, "service_tag", rows["service_tag"].cast(pa.string()))
    ordered = rows.drop_columns("pn").take(pa.array(order)).combine_chunks()
    edges = np.searchsorted(pn_rank[order], np.arange(len(pns) + 1))
    with full_disk_is_temporary(path), pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, ordered.schema) as out:
        out.write_table(ordered)
    bounds = {
        pn: (int(start), int(stop))
        for pn, start, stop in zip(pns, edges[:-1], edges[1:], strict=True)
        if stop > start
    }
    return Run(path, bounds, ordered.nbytes)


class OpenRun:
    """A run mapped into memory; its rows are read where they are used."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._rows = pa.ipc.open_file(pa.memory_map(str(run.path))).read_all()

    def slice(self, pn: str) -> Slice | None:
        """The rows of one pn, or None where the run has none."""
        if pn not in self._run.bounds:
            return None
        start, stop = self._run.bounds[pn]
        return Slice(self._rows.slice(start, stop - start), self._run.bytes * (stop - start) // self._rows.num_rows)


def merged(slices: list[Slice]) -> Iterator[pa.Table]:
    """Rows of all slices by service_tag, those of a device in the order of the slices, chunk by chunk."""
    at = [0] * len(slices)
    tags = [_Tags(s.rows["service_tag"]) for s in slices]
    rows = sum(s.rows.num_rows for s in slices)
    chunk_rows = max(1, rows * _CHUNK_BYTES // max(sum(s.bytes for s in slices), 1))
    while open_ := [i for i in range(len(slices)) if at[i] < len(tags[i])]:
        quota = max(1, chunk_rows // len(open_))
        # Every slice gives at most its quota and at least one gives all of it.
        limit = min(tags[i][min(at[i] + quota, len(tags[i])) - 1] for i in open_)
        stops = {i: bisect_left(tags[i], limit, lo=at[i]) for i in open_}
        if any(stops[i] > at[i] for i in open_):
            yield _by_device([slices[i].rows.slice(at[i], stops[i] - at[i]) for i in open_])
        else:  # the next device fills a quota by itself: its rows are in order already
            stops = {i: bisect_right(tags[i], limit, lo=at[i]) for i in open_}
            for i in open_:
                for start in range(at[i], stops[i], chunk_rows):
                    yield slices[i].rows.slice(start, min(chunk_rows, stops[i] - start))
        for i in open_:
            at[i] = stops[i]


class _Tags:
    """A sorted string column that `bisect` can search."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._values = column.chunk(0) if column.num_chunks else pa.array([], pa.string())

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, row: int) -> str:
        return str(self._values[row].as_py())


def _by_device(parts: list[pa.Table]) -> pa.Table:
    rows = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    _, rank = _ranked(rows["service_tag"])
    return rows.take(pa.array(np.argsort(rank, kind="stable")))


def _ranked(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """The distinct values by bytes, and each row's rank among them."""
    encoded = column.combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], encoded.type)
    order = pc.sort_indices(encoded.dictionary)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order.to_numpy()] = np.arange(len(order))
    return encoded.dictionary.take(order).to_pylist(), rank[encoded.indices.to_numpy()]
