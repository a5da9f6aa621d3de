"""Whole devices, in order, from a week's partitions: the sweep that lets clean hold no week in memory.

Every partition is sorted by service_tag. Row groups are read in the order of their first tag; all rows below
the next unread group's first tag are then complete, over all partitions.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from services.lake.parquet import read_group
from services.lake.scratch import spilling
from services.lake.store import Store

_CHUNK_BYTES = 48 * 1024**2
"""Complete rows are handed on once there are so many: fewer, larger steps cost less."""
_HELD_BYTES = 320 * 1024**2
"""What may wait in memory for its device to be complete; more of it waits on scratch, memory-mapped."""


class Group(NamedTuple):
    """A row group of one partition."""

    first_tag: str
    pn: str
    ordinal: int
    rows: int
    key: str
    etag: str
    metadata: pq.FileMetaData


def groups_in_order(pn: str, key: str, etag: str, metadata: pq.FileMetaData, lake: Store) -> Iterator[Group]:
    """A partition's row groups with their first tags."""
    column = metadata.schema.names.index("service_tag")
    for index in range(metadata.num_row_groups):
        about = metadata.row_group(index)
        if not about.num_rows:
            continue
        statistics = about.column(column).statistics
        if statistics and statistics.has_min_max:
            first = statistics.min
        else:  # writers leave out the statistics of very long values
            with lake.open(key, etag) as handle:
                first = read_group(handle, metadata, index, ["service_tag"])["service_tag"][0].as_py()
        yield Group(first, pn, index, about.num_rows, key, etag, metadata)


Devices = dict[str, pa.Table]
"""All rows of some devices, by pn, each table in the partition's order."""


def whole_devices(groups: Iterable[tuple[Group, pa.Table]], scratch: Path) -> Iterator[Devices]:
    """Complete devices, in the order of their tags, from groups read in the order of first tags.

    A device is never split; one that does not fit in memory comes as tables on memory-mapped scratch.
    """
    held = _Held(scratch)
    for group, rows in groups:
        if held.added >= _CHUNK_BYTES:
            complete = held.take_below(group.first_tag)
            if complete:
                yield complete
        held.add(group.pn, rows)
    rest = held.take_below(None)
    if rest:
        yield rest


class _Part(NamedTuple):
    """Some rows of one partition."""

    rows: pa.Table
    in_memory: bool


class _Held:
    """Rows whose devices may not be complete yet, by partition."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._parts: dict[str, list[_Part]] = {}
        self._spilled = 0
        self.added = 0
        """Bytes that came since rows were last taken."""

    def add(self, pn: str, rows: pa.Table) -> None:
        self._parts.setdefault(pn, []).append(_Part(rows, in_memory=True))
        self.added += rows.nbytes
        if self.added > _HELD_BYTES:  # no device was completed by all of this
            self._spill()

    def take_below(self, tag: str | None) -> Devices:
        """Everything with a smaller tag (None: everything)."""
        taken: Devices = {}
        for pn, parts in self._parts.items():
            self._parts[pn] = []
            complete: list[pa.Table] = []
            for rows, in_memory in parts:
                cut = rows.num_rows if tag is None else bisect_left(_Tags(rows["service_tag"]), tag)
                complete += [rows.slice(0, cut)] if cut else []
                self._parts[pn] += [_Part(rows.slice(cut), in_memory)] if cut < rows.num_rows else []
            if complete:
                taken[pn] = pa.concat_tables(complete)
        if taken:
            self.added = 0
        return taken

    def _spill(self) -> None:
        for pn, parts in self._parts.items():
            self._parts[pn] = [
                self._on_disk(rows) if in_memory else _Part(rows, in_memory) for rows, in_memory in parts
            ]
        self.added = 0

    def _on_disk(self, rows: pa.Table) -> _Part:
        path = self._scratch / f"held-{self._spilled}.arrow"
        self._spilled += 1
        with spilling(path, rows.schema) as out:
            out.write_table(rows.unify_dictionaries())
        return _Part(pa.ipc.open_file(pa.memory_map(str(path))).read_all(), in_memory=False)


class _Tags:
    """A sorted column over several chunks that `bisect` can search."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, row: int) -> str:
        return str(self._column[row].as_py())
