"""Which row of a group of re-sends stays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.sample.draws import Flags, Ints, Numbers, below
from services.sample.events import Shown, log_times
from services.sample.layout import Layout, Places, member
from services.sample.rules import KINDS, LOST_PN


class Resends(NamedTuple):
    """For the rows at `rows` of a part: the file and row that stay of their group, and its size."""

    rows: Ints
    file: Ints
    row: Ints
    copies: Ints


def resends(layout: Layout, spots: Places, shown: Shown, kind: Ints, stamp: Ints) -> Resends:
    """For the rows that are in a group that merges; `stamp` are the true times of their events."""
    merging = np.flatnonzero(np.array([side.merges for side in KINDS])[kind])
    homes = Places(*(column[merging] for column in spots))
    ids, stamps, kinds = shown.ids[merging], stamp[merging], kind[merging]
    by_log_time = np.array([side.by_log_time for side in KINDS])[kinds]
    members = []
    for role in range(layout.most_guests + 1):
        roles = np.full_like(homes.slot, role)
        time = np.where(by_log_time, log_times(ids, roles, stamps), stamps)
        unknown = ((kinds == LOST_PN) & lost_pn(ids, roles)).astype(np.int64)
        members.append(np.stack([time, unknown, *member(layout, homes, role)]))
    return _stays(merging, homes.guests, members)


def lost_pn(ids: Numbers, role: Ints) -> Flags:
    """Which of a group's rows lost it: the event's own, all the guests, every one, or the first guest."""
    way = below(ids, 22, 4)
    return np.select([way == 0, way == 1, way == 2], [role == 0, role > 0, role >= 0], role == 1)


def _stays(rows: Ints, guests: Ints, members: list[Ints]) -> Resends:
    """The smallest (valid_timestamp, pn is UNKNOWN, file, row) of each group; members are these four, by role."""
    best = members[0]
    for role, candidate in enumerate(members[1:], start=1):
        best = np.where((role <= guests) & _smaller(candidate, best), candidate, best)
    return Resends(rows, best[2], best[3], guests + 1)


def _smaller(left: Ints, right: Ints) -> Flags:
    """Lexicographic, down the rows of two arrays."""
    result = np.zeros(left.shape[1], dtype=np.bool_)
    for mine, other in zip(left[::-1], right[::-1], strict=True):
        result = (mine < other) | ((mine == other) & result)
    return result
