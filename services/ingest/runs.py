"""The drop's one spill: batches sorted by pn and device, on scratch disk, merged from there.

A run comes from consecutive rows of one file, so runs in file order, each sorted stably by device, hold
the rows of a device in the order of their identity.
"""

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.lake.scratch import spilling

RUN_BYTES = 32 * 1024**2
"""Rows are gathered to this size, sorted and written: small enough for several workers at once."""
_CHUNK_BYTES = 24 * 1024**2
"""What is merged at a time; one device may be larger and comes in several chunks."""


_READ_BYTES = 128 * 1024
"""What is read of a run at a time: merging holds about so much of every run."""


class Run(NamedTuple):
    """A sorted run on disk."""

    path: Path
    batches: dict[str, range]
    """Record batches by pn."""
    rows: dict[str, int]
    """Rows by pn."""
    row_bytes: int
    """Mean size of a row in memory."""


def write_run(rows: pa.Table, path: Path) -> Run:
    """Sort rows of one file (with `pn`) by pn and service_tag and write them to scratch."""
    rows = rows.unify_dictionaries().combine_chunks()
    pns, pn_rank = _ranked(rows["pn"])
    _, tag_rank = _ranked(rows["service_tag"])
    order = np.lexsort((tag_rank, pn_rank))
    rows = rows.set_column(0, "service_tag", rows["service_tag"].cast(pa.string()))
    ordered = rows.drop_columns("pn").take(pa.array(order)).combine_chunks()
    edges = np.searchsorted(pn_rank[order], np.arange(len(pns) + 1)).tolist()
    run = Run(path, {}, {}, max(1, ordered.nbytes // max(ordered.num_rows, 1)))
    written = 0
    with spilling(path, ordered.schema) as out:
        for pn, start, stop in zip(pns, edges[:-1], edges[1:], strict=True):
            if start == stop:
                continue
            batches = ordered.slice(start, stop - start).to_batches(max(1, _READ_BYTES // run.row_bytes))
            for batch in batches:
                out.write_batch(batch)
            run.batches[pn] = range(written, written + len(batches))
            run.rows[pn] = stop - start
            written += len(batches)
    return run


class OpenRun:
    """A run that can be read, by several threads."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._reader = pa.ipc.open_file(pa.OSFile(str(run.path)))
        self._lock = threading.Lock()

    def rows_of(self, pn: str) -> "Sorted":
        """The rows of one pn: by service_tag, those of a device in the order of the source."""
        return Sorted(self._read, self.run.batches.get(pn, range(0)))

    def _read(self, batch: int) -> pa.Table:
        with self._lock:
            return pa.Table.from_batches([self._reader.get_batch(batch)])


class Sorted:
    """Sorted rows that come from disk as they are asked for."""

    def __init__(self, read: Callable[[int], pa.Table], batches: range) -> None:
        self._read = read
        self._unread = deque(batches)
        self._rows: deque[pa.Table] = deque()

    def fill(self, rows: int) -> bool:
        """Have so many rows in memory, or all that are left; whether there are any."""
        held = sum(table.num_rows for table in self._rows)
        while self._unread and held < rows:
            self._rows.append(self._read(self._unread.popleft()))
            held += self._rows[-1].num_rows
        return bool(self._rows)

    def first_tag(self) -> str:
        """The smallest tag in memory."""
        return _tag(self._rows[0], 0)

    def safe_tag(self) -> str | None:
        """The tag below which all rows are in memory; None: all rows are."""
        return _tag(self._rows[-1], -1) if self._unread else None

    def take_below(self, tag: str | None) -> list[pa.Table]:
        """Remove and return the rows in memory with a smaller tag (None: all)."""
        taken = []
        while self._rows and (tag is None or _tag(self._rows[0], 0) < tag):
            rows = self._rows.popleft()
            cut = rows.num_rows if tag is None else _cut(rows, tag, bisect_left)
            taken.append(rows.slice(0, cut))
            if cut < rows.num_rows:
                self._rows.appendleft(rows.slice(cut))
        return taken

    def take_device(self, tag: str) -> Iterator[pa.Table]:
        """Remove and return all rows of the device that comes first, also those still on disk."""
        while self.fill(1) and self.first_tag() == tag:
            rows = self._rows.popleft()
            cut = _cut(rows, tag, bisect_right)
            yield rows.slice(0, cut)
            if cut < rows.num_rows:
                self._rows.appendleft(rows.slice(cut))


def merged(runs: list[OpenRun], pn: str) -> Iterator[pa.Table]:
    """All rows of a pn by service_tag, those of a device in the order of the runs, in bounded pieces."""
    row_bytes = max((run.run.row_bytes for run in runs), default=1)
    left = [run.rows_of(pn) for run in runs]
    while left := [rows for rows in left if rows.fill(max(1, _CHUNK_BYTES // row_bytes // len(left)))]:
        limit = min((tag for rows in left if (tag := rows.safe_tag()) is not None), default=None)
        parts = [part for rows in left for part in rows.take_below(limit)]
        if parts:
            yield _by_device(parts)
        elif limit is not None:  # one device fills the memory: run after run, its rows are in order already
            for rows in left:
                yield from rows.take_device(limit)


def _cut(rows: pa.Table, tag: str, bisect: Callable[..., int]) -> int:
    return bisect(range(rows.num_rows), tag, key=lambda place: _tag(rows, place))


def _tag(rows: pa.Table, place: int) -> str:
    return str(rows["service_tag"][place].as_py())


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
