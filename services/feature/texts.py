"""The text of errors, kept out of the sort: on scratch in the order in which it came, read back in any other."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.lake.local import full_disk_is_temporary
from services.lake.take import taking

_SCHEMA = pa.schema([("ev", pa.string())])
_PIECE_BYTES = 16 * 1024**2
"""Text that is gathered at a time: one event may be a mebibyte."""
_take = taking(None)  # errors are few, and feature's image has no native kernel


class Texts:
    """Event texts by place; all are added before the first is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, _SCHEMA)
        self._starts = [0]
        self._sizes: list[np.ndarray] = []

    def add(self, ev: pa.ChunkedArray) -> pa.Array:
        """Keep some texts; their places."""
        first = self._starts[-1]
        for chunk in ev.chunks:
            if len(chunk):
                with full_disk_is_temporary(self._path):
                    self._writer.write_batch(pa.record_batch([chunk], schema=_SCHEMA))
                self._starts.append(self._starts[-1] + len(chunk))
                self._sizes.append(pc.fill_null(pc.binary_length(chunk), 0).to_numpy())
        return pa.array(np.arange(first, self._starts[-1]))

    def joined(self, rows: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """Rows with a column `place` → the same rows in pieces of bounded size, `ev` in its stead."""
        self.close()
        with pa.memory_map(str(self._path)) as source:
            reader = pa.ipc.open_file(source)
            starts = np.array(self._starts)
            sizes = np.concatenate([*self._sizes, np.zeros(0, np.int32)])
            for table in rows:
                places = table["place"].to_numpy()
                column = table.column_names.index("place")
                for start, stop in _pieces(sizes[places]):
                    ev = _gathered(reader, starts, places[start:stop])
                    yield table.slice(start, stop - start).set_column(column, "ev", ev)

    def close(self) -> None:
        """Finish the file; again is fine."""
        if self._sink.closed:
            return
        with full_disk_is_temporary(self._path):
            self._writer.close()
            self._sink.close()


def _pieces(sizes: np.ndarray) -> Iterator[tuple[int, int]]:
    """First row and the row after the last of pieces that hold so much text, and at least one row."""
    ends = np.cumsum(sizes, dtype=np.int64)
    start = 0
    while start < len(sizes):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _PIECE_BYTES, side="right")))
        yield start, stop
        start = stop


def _gathered(reader: pa.ipc.RecordBatchFileReader, starts: np.ndarray, places: np.ndarray) -> pa.ChunkedArray:
    """The texts at these places, from the batches that hold them."""
    origin = np.searchsorted(starts, places, side="right") - 1
    numbers, place_of = np.unique(origin, return_inverse=True)
    batches = [reader.get_batch(int(number)) for number in numbers]
    firsts = np.cumsum([0, *(batch.num_rows for batch in batches)])
    wanted = places - starts[origin] + firsts[place_of]
    return _take(pa.Table.from_batches(batches, _SCHEMA), wanted)["ev"]
