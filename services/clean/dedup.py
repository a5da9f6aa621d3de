"""Which rows are re-sends of which: one event of one device, however often and under whatever pn it came."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Verdict(NamedTuple):
    """What becomes of each row."""

    kept: np.ndarray
    """bool: the row stays."""
    copies: np.ndarray
    """int32: raw rows that a kept row stands for."""
    survivor: np.ndarray
    """int64: the row that this one is merged into; itself where it stays."""
    conflicts: np.ndarray
    """bool: the row stands for rows merged by EventId whose payloads differ."""


def judge(rows: pa.Table) -> Verdict:
    """Merge re-sends within whole devices.

    Needs service_tag, event_key, key_hash, valid_timestamp, is_unknown (bool: its pn is UNKNOWN), source_file,
    source_row and payload_hash. Of the rows of a device with one event_key the smallest by
    (valid_timestamp, is_unknown, source_file, source_row) stays; rows without a key or a time always do.
    """
    verdict = Verdict(
        kept=np.ones(rows.num_rows, dtype=bool),
        copies=np.ones(rows.num_rows, dtype=np.int32),
        survivor=np.arange(rows.num_rows),
        conflicts=np.zeros(rows.num_rows, dtype=bool),
    )
    members, group = _repeated(rows)
    if not len(members):
        return verdict
    some = rows.select(["valid_timestamp", "is_unknown", "source_file", "source_row"]).take(pa.array(members))
    times = some["valid_timestamp"].cast(pa.int64()).to_numpy()
    unknown = some["is_unknown"].to_numpy()
    order = np.lexsort((some["source_row"].to_numpy(), _byte_ranks(some["source_file"]), unknown, times, group))
    members, group = members[order], group[order]
    first = np.r_[True, group[1:] != group[:-1]]
    size = np.diff(np.r_[np.flatnonzero(first), len(group)])
    winners = members[first]
    verdict.kept[members[~first]] = False
    verdict.copies[winners] = size
    verdict.survivor[members] = np.repeat(winners, size)
    verdict.conflicts[winners] = _differing(
        rows["payload_hash"].take(pa.array(members)), np.repeat(np.arange(len(size)), size)
    )
    return verdict


def _repeated(rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Rows that share device and key with another row, and the group that each belongs to."""
    mergeable = pc.and_(pc.is_valid(rows["event_key"]), pc.is_valid(rows["valid_timestamp"]))
    places = np.flatnonzero(mergeable.to_numpy())
    # Most keys stand once: only those that share a bucket of their hashes are worth comparing.
    buckets = 4 << len(places).bit_length()
    bucket = (rows["key_hash"].to_numpy()[places] % buckets).astype(np.int64)
    places = places[np.bincount(bucket, minlength=buckets)[bucket] > 1]
    keys = _codes(rows["event_key"].take(pa.array(places)))
    pairs = _codes(rows["service_tag"].take(pa.array(places))) * (int(keys.max(initial=0)) + 1) + keys
    _, group, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    shared = counts[group] > 1
    return places[shared], group[shared]


def _differing(hashes: pa.ChunkedArray, group: np.ndarray) -> np.ndarray:
    """Whether a group's rows that have a payload hash have more than one."""
    hashed = np.flatnonzero(pc.is_valid(hashes).to_numpy())
    seen = np.unique(np.stack([group[hashed], _codes(hashes)[hashed]]), axis=1)
    return np.bincount(seen[0], minlength=int(group[-1]) + 1) > 1


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """An int64 per row, the same for equal values; -1 for null."""
    whole = column.combine_chunks()
    encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)


def _byte_ranks(column: pa.ChunkedArray) -> np.ndarray:
    """Each row's rank among the distinct values by their UTF-8 bytes."""
    encoded = column.unify_dictionaries().combine_chunks()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[encoded.indices.to_numpy()]
