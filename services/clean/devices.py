"""Whole devices, in order, from a week's partitions: the sweep that lets clean hold no week in memory.

Every partition is sorted by service_tag. Row groups are read in the order of their first tag; all rows below
the next unread group's first tag are then complete, over all partitions.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from services.lake.parquet import read_group
from services.lake.store import Store

_CHUNK_BYTES, _CHUNK_BYTES_OF_PARTITION = 48 * 1024**2, 96 * 1024
"""Complete rows are handed on about once there are so many: each step costs, and so does each partition in it."""
_SAMPLED_ROWS = 16


class Group(NamedTuple):
    """A row group of one partition."""

    first_tag: str
    pn: str
    ordinal: int
    rows: int
    bytes: int
    """Unpacked."""
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
        yield Group(first, pn, index, about.num_rows, about.total_byte_size, key, etag, metadata)


Devices = dict[str, pa.ChunkedArray]
"""All rows of some devices, as structs, by pn, each in the partition's order."""


def chunk_bytes(partitions: int) -> int:
    """Bytes of complete rows, in memory or on scratch, that are about enough for one step."""
    return max(_CHUNK_BYTES, _CHUNK_BYTES_OF_PARTITION * partitions)


def whole_devices(groups: Iterable[tuple[Group, pa.ChunkedArray]], chunk: int) -> Iterator[Devices]:
    """Complete devices, in the order of their tags, from groups read in the order of first tags.

    They come in steps of about `chunk` bytes. A device is never split, and a row group of every partition is held at
    once: many should be memory-mapped.
    """
    held: dict[str, list[pa.ChunkedArray]] = {}
    added = 0
    for group, rows in groups:
        if added >= chunk:
            yield from _in_steps(_take_below(held, group.first_tag), chunk)
            added = 0
        held.setdefault(group.pn, []).append(rows)
        added += rows.nbytes
    yield from _in_steps(_take_below(held, None), chunk)


def _take_below(held: dict[str, list[pa.ChunkedArray]], tag: str | None) -> Devices:
    """Remove and return everything with a smaller tag (None: everything)."""
    taken: Devices = {}
    for pn, parts in held.items():
        cuts = [len(rows) if tag is None else _rows_below(rows, tag) for rows in parts]
        if any(cuts):
            complete = [rows.slice(0, cut) for rows, cut in zip(parts, cuts, strict=True)]
            taken[pn] = pa.chunked_array([chunk for rows in complete for chunk in rows.chunks if len(chunk)])
            held[pn] = [rows.slice(cut) for rows, cut in zip(parts, cuts, strict=True) if cut < len(rows)]
    return taken


def _in_steps(devices: Devices, chunk: int) -> Iterator[Devices]:
    """Whole devices in steps of up to about two chunks; a larger device is a step of its own."""
    size = sum(rows.nbytes for rows in devices.values())
    for tag in _tags_between(devices, size // chunk):
        cuts = {pn: _rows_below(rows, tag) for pn, rows in devices.items()}
        yield {pn: devices[pn].slice(0, cut) for pn, cut in cuts.items() if cut}
        devices = {pn: rows.slice(cuts[pn]) for pn, rows in devices.items() if cuts[pn] < len(rows)}
    if devices:
        yield devices


def _tags_between(devices: Devices, steps: int) -> list[str]:
    """Tags that part the rows into about so many steps of about the same size, judged by some rows of each pn."""
    if steps < 2:
        return []
    seen = sorted(
        (_tag(rows, int(place)), len(rows) / _SAMPLED_ROWS)
        for rows in devices.values()
        for place in np.linspace(0, len(rows) - 1, _SAMPLED_ROWS)
    )
    ends = np.cumsum([rows for _, rows in seen])
    borders = np.searchsorted(ends, ends[-1] * np.arange(1, steps) / steps)
    return sorted({seen[place][0] for place in borders} - {seen[0][0]})


def _rows_below(rows: pa.ChunkedArray, tag: str) -> int:
    below = 0
    for chunk in rows.chunks:
        tags = chunk.field("service_tag")
        cut = bisect_left(range(len(tags)), tag, key=lambda place: tags[place].as_py())
        below += cut
        if cut < len(tags):
            break
    return below


def _tag(rows: pa.ChunkedArray, place: int) -> str:
    return str(rows[place]["service_tag"].as_py())
