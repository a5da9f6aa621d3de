"""The drop's one spill: batches sorted by pn and device, on scratch disk, merged from there.

A run comes from consecutive rows of consecutive files, so runs in file order, each sorted stably by device, hold the
rows of a device in the order of their identity.
"""

import mmap
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
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
    rows: dict[str, int]
    """Rows by pn, in the order in which they lie in the run."""
    batch_rows: int
    """Rows of each record batch but the last: of many products each has few, and a batch costs as much for few."""
    row_bytes: int
    """Mean size of a row in memory."""


def write_run(rows: pa.Table, kept: np.ndarray, path: Path, take: Take) -> Run:
    """Sort the kept rows of a part of a file (with `pn`) by pn and service_tag and write them to scratch."""
    pns, pn_rank = _ranked(rows["pn"])
    tags, tag_rank = _ranked(rows["service_tag"])
    order = kept[_stable_order((pn_rank * len(tags) + tag_rank)[kept])]
    ordered = take(rows.drop_columns(["pn", "service_tag"]), order)
    ordered = ordered.add_column(0, "service_tag", tags.take(pa.array(tag_rank[order])))
    rows_of = np.bincount(pn_rank[order], minlength=len(pns)).tolist()
    row_bytes = max(1, ordered.nbytes // max(ordered.num_rows, 1))
    run = Run(
        path=path,
        rows={pn: count for pn, count in zip(pns.to_pylist(), rows_of, strict=True) if count},
        batch_rows=max(1, _BATCH_BYTES // row_bytes),
        row_bytes=row_bytes,
    )
    with spilling(path, ordered.schema) as out:
        out.write_table(ordered, run.batch_rows)
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

    def rows_of(self, first: str, last: str) -> "list[Sorted]":
        """The rows of the pns from the first to the last, run by run."""
        found = (
            (run, run.starts[bisect_left(run.pns, first)], run.starts[bisect_right(run.pns, last)])
            for run in self._runs
        )
        return [Sorted(run, start, stop) for run, start, stop in found if start < stop]

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
        self.pns = list(run.rows)
        self.starts = [0, *accumulate(run.rows.values())]
        """The first row of each pn, and the end of the last."""
        self.batch_rows, self.row_bytes = run.batch_rows, run.row_bytes
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


Key = tuple[str, str]
"""pn and service_tag: what runs are sorted by, by Unicode code point, which is the order of UTF-8 bytes too."""


class Sorted:
    """Sorted rows of a run, seen through a window that moves over them."""

    def __init__(self, run: _MappedRun, start: int, stop: int) -> None:
        self._run, self._at, self._end = run, start, stop
        self._see(run.no_rows)
        self._seen = 0

    def look(self, rows: int) -> bool:
        """Look at the next rows, at so many at most; whether there are any."""
        while self._rows.num_rows < min(rows, self._end - self._at):
            number, skipped = divmod(self._at + self._rows.num_rows, self._run.batch_rows)
            read = pa.Table.from_batches([self._run.read(number)])
            self._see(pa.concat_tables([self._rows, read.slice(skipped)]))
        self._seen = min(rows, self._end - self._at)
        return self._seen > 0

    def safe_key(self) -> Key | None:
        """The key below which the window shows all rows; None: it shows all that are left."""
        return self._key(self._seen - 1) if self._at + self._seen < self._end else None

    def take_below(self, key: Key | None) -> tuple[pa.Table, dict[str, int]]:
        """Remove and return the rows in the window with a smaller key (None: all), and how many each pn has."""
        taken = self._take(self._seen if key is None else bisect_left(range(self._seen), key, key=self._key))
        return taken, self._rows_by_pn(self._at - taken.num_rows, self._at)

    def take_device(self, key: Key) -> Iterator[pa.Table]:
        """Remove and return all rows of the device if it comes first, a window at a time."""
        window = self._seen
        while self.look(window) and self._key(0) == key:
            yield self._take(bisect_right(range(self._seen), key, key=self._key))

    def _take(self, rows: int) -> pa.Table:
        taken = self._rows.slice(0, rows)
        self._at += rows
        self._see(self._rows.slice(rows))
        return taken

    def _see(self, rows: pa.Table) -> None:
        self._rows, self._tags = rows, rows["service_tag"]

    def _key(self, place: int) -> Key:
        return self._run.pns[self._place_of_pn(self._at + place)], str(self._tags[place].as_py())

    def _rows_by_pn(self, start: int, stop: int) -> dict[str, int]:
        rows: dict[str, int] = {}
        place = self._place_of_pn(start)
        while start < stop:
            end = min(stop, self._run.starts[place + 1])
            rows[self._run.pns[place]] = end - start
            start, place = end, place + 1
        return rows

    def _place_of_pn(self, row: int) -> int:
        return bisect_right(self._run.starts, row) - 1


def merged(runs: OpenRuns, first: str, last: str, take: Take) -> Iterator[tuple[str, pa.Table]]:
    """All rows of the pns from the first to the last, by pn and service_tag, in bounded pieces of one pn each.

    Those of a device come in the order of the runs.
    """
    left = runs.rows_of(first, last)
    while left := [rows for rows in left if rows.look(max(1, _CHUNK_BYTES // runs.row_bytes // len(left)))]:
        limit = min((key for rows in left if (key := rows.safe_key()) is not None), default=None)
        below = [rows.take_below(limit) for rows in left]
        if limit is None or any(counts for _, counts in below):
            pieces = _in_order(below, take)
        else:  # one device fills the windows: run after run, its rows are in order already
            pieces = ((limit[0], piece) for rows in left for piece in rows.take_device(limit))
        for pn, piece in pieces:
            size = piece.nbytes
            yield pn, piece
            runs.have_read(size)


def _in_order(parts: list[tuple[pa.Table, dict[str, int]]], take: Take) -> Iterator[tuple[str, pa.Table]]:
    """The rows of sorted parts together, pn by pn."""
    counts = [(pn, count) for _, by_pn in parts for pn, count in by_pn.items()]
    pns = sorted({pn for pn, _ in counts})
    place = {pn: at for at, pn in enumerate(pns)}
    pn_rank = np.repeat([place[pn] for pn, _ in counts], [count for _, count in counts])
    rows = pa.concat_tables([part for part, _ in parts])
    tags, tag_rank = _ranked(rows["service_tag"])
    ordered = take(rows, _stable_order(pn_rank * len(tags) + tag_rank))
    start = 0
    for pn, count in zip(pns, np.bincount(pn_rank).tolist(), strict=True):
        yield pn, ordered.slice(start, count)
        start += count


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
