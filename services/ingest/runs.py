"""The drop's one spill: batches sorted by pn and device, on scratch disk, merged from there.

A run comes from consecutive rows of consecutive files, so runs in file order, each sorted stably by device, hold the
rows of a device in the order of their identity.
"""

import mmap
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.lake.scratch import spilling
from services.lake.take import Take

RUN_BYTES = 32 * 1024**2
"""Rows are gathered to this size, sorted and written: small enough for several workers at once."""
_BATCH_BYTES = 1024**2
"""What is fetched from a run at a time: of hundreds of runs as much stays in the file cache, also where it is small."""
_CHUNK_BYTES = 24 * 1024**2
"""What is merged at a time; one device may be larger and comes in several chunks."""
_MAPPED_BYTES = 128 * 1024**2
"""Read from mapped runs before their pages are given back: they count as memory, and fetching them anew costs time."""


class Run(NamedTuple):
    """A sorted run on disk."""

    path: Path
    batches: dict[str, range]
    """The record batches of each pn."""
    rows: dict[str, int]
    """Rows by pn."""
    row_bytes: int
    """Mean size of a row in memory."""


def write_run(rows: pa.Table, kept: np.ndarray, path: Path, take: Take) -> Run:
    """Sort the kept rows of a part of a file (with `pn`) by pn and service_tag and write them to scratch."""
    pns, pn_rank = _ranked(rows["pn"])
    tags, tag_rank = _ranked(rows["service_tag"])
    order = kept[_stable_order((pn_rank * len(tags) + tag_rank)[kept])]
    ordered = take(rows.drop_columns(["pn", "service_tag"]), order)
    ordered = ordered.add_column(0, "service_tag", tags.take(pa.array(tag_rank[order])))
    edges = np.searchsorted(pn_rank[order], np.arange(len(pns) + 1)).tolist()
    run = Run(path, {}, {}, max(1, ordered.nbytes // max(ordered.num_rows, 1)))
    rows_at_once = max(1, _BATCH_BYTES // run.row_bytes)
    written = 0
    with spilling(path, ordered.schema) as out:
        for pn, start, stop in zip(pns.to_pylist(), edges[:-1], edges[1:], strict=True):
            batches = ordered.slice(start, stop - start).to_batches(rows_at_once)
            for batch in batches:
                out.write_batch(batch)
            if batches:
                run.batches[pn] = range(written, written := written + len(batches))
                run.rows[pn] = stop - start
    return run


def remove(runs: Iterable[Run], workers: int) -> None:
    """Delete runs that are read: by several at once, as the system gives their memory back page by page."""
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(lambda run: run.path.unlink(), runs):
            pass


class OpenRuns:
    """Runs to be read by several threads, in the order of the source."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = [_MappedRun(run) for run in runs]
        self._read_bytes = 0
        self._lock = threading.Lock()
        self.row_bytes = max((run.row_bytes for run in self._runs), default=1)
        """Mean size of a row in memory, in the run where it is largest."""

    def rows_of(self, pn: str) -> "list[Sorted]":
        """The rows of one pn, run by run: by service_tag, those of a device in the order of the source."""
        return [Sorted(run, run.batches[pn]) for run in self._runs if pn in run.batches]

    def have_read(self, size: int) -> None:
        """Now and then give back the memory of what was read; it stays in the file cache and may be read again."""
        with self._lock:
            self._read_bytes += size
            if self._read_bytes < _MAPPED_BYTES:
                return
            self._read_bytes = 0
            for run in self._runs:
                run.memory.madvise(mmap.MADV_DONTNEED)


class _MappedRun:
    """A run mapped into memory."""

    def __init__(self, run: Run) -> None:
        self.batches, self.row_bytes = run.batches, run.row_bytes
        with run.path.open("rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # The system would fetch megabytes around a missing page, and drop what other runs need where memory is tight.
        self.memory.madvise(mmap.MADV_RANDOM)
        content = pa.py_buffer(self.memory)
        self._address = content.address
        self._reader = pa.ipc.open_file(content)
        self._lock = threading.Lock()  # the reader's first batch brings the dictionaries of all
        self.no_rows = self._reader.schema.empty_table()

    def read(self, number: int) -> pa.RecordBatch:
        """A batch; the system begins to fetch it where it dropped it."""
        with self._lock:
            batch = self._reader.get_batch(number)
        parts = [part for column in batch.columns for part in column.buffers() if part]
        start = min(part.address for part in parts) - self._address
        stop = max(part.address + part.size for part in parts) - self._address
        start -= start % mmap.PAGESIZE
        self.memory.madvise(mmap.MADV_WILLNEED, start, stop - start)
        return batch


class Sorted:
    """The sorted rows of a pn in one run, seen through a window that moves over them."""

    def __init__(self, run: _MappedRun, batches: range) -> None:
        self._run, self._unread = run, batches
        self._see(run.no_rows)
        self._stop = 0

    def look(self, rows: int) -> bool:
        """Look at the next rows, at so many at most; whether there are any."""
        while self._unread and self._rows.num_rows < rows:
            read = pa.Table.from_batches([self._run.read(self._unread[0])])
            self._unread = self._unread[1:]
            self._see(pa.concat_tables([self._rows, read]))
        self._stop = min(rows, self._rows.num_rows)
        return self._stop > 0

    def safe_tag(self) -> str | None:
        """The tag below which the window shows all rows; None: it shows all that are left."""
        return self._tag(self._stop - 1) if self._unread or self._stop < self._rows.num_rows else None

    def take_below(self, tag: str | None) -> pa.Table:
        """Remove and return the rows in the window with a smaller tag (None: all)."""
        return self._take(self._stop if tag is None else self._end(bisect_left, tag))

    def take_device(self, tag: str) -> Iterator[pa.Table]:
        """Remove and return all rows of the device if it comes first, a window at a time."""
        window = self._stop
        while self.look(window) and self._tag(0) == tag:
            yield self._take(self._end(bisect_right, tag))

    def _end(self, bisect: Callable[..., int], tag: str) -> int:
        return bisect(range(self._stop), tag, key=self._tag)

    def _take(self, stop: int) -> pa.Table:
        taken = self._rows.slice(0, stop)
        self._see(self._rows.slice(stop))
        return taken

    def _see(self, rows: pa.Table) -> None:
        self._rows, self._tags = rows, rows["service_tag"]

    def _tag(self, place: int) -> str:
        return str(self._tags[place].as_py())


def merged(runs: OpenRuns, pn: str, take: Take) -> Iterator[pa.Table]:
    """All rows of a pn by service_tag, those of a device in the order of the runs, in bounded pieces."""
    left = runs.rows_of(pn)
    while left := [rows for rows in left if rows.look(max(1, _CHUNK_BYTES // runs.row_bytes // len(left)))]:
        limit = min((tag for rows in left if (tag := rows.safe_tag()) is not None), default=None)
        below = pa.concat_tables([rows.take_below(limit) for rows in left])
        if below.num_rows:
            pieces = iter([_by_device(below, take)])
        else:  # one device fills the windows: run after run, its rows are in order already
            pieces = (piece for rows in left for piece in rows.take_device(str(limit)))
        for piece in pieces:
            size = piece.nbytes
            yield piece
            runs.have_read(size)


def _by_device(rows: pa.Table, take: Take) -> pa.Table:
    _, rank = _ranked(rows["service_tag"])
    return take(rows, _stable_order(rank))


def _stable_order(codes: np.ndarray) -> np.ndarray:
    """The places of the codes (int64, from 0), by code and then by place.

    Sixteen bits at a time, the lowest first: what numpy sorts without comparing, in a third of the time or less.
    """
    order = np.argsort(codes.astype(np.uint16), kind="stable")
    for shift in range(16, int(codes.max(initial=0)).bit_length(), 16):
        order = order[np.argsort((codes >> shift).astype(np.uint16)[order], kind="stable")]
    return order


def _ranked(column: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """The distinct values by bytes, and each row's rank among them; null is beyond all."""
    encoded = column.unify_dictionaries().combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], encoded.type)
    order = pc.sort_indices(encoded.dictionary)
    rank = np.full(len(order) + 1, len(order), dtype=np.int64)
    rank[order.to_numpy()] = np.arange(len(order))
    return encoded.dictionary.take(order), rank[pc.fill_null(encoded.indices, len(order)).to_numpy()]
