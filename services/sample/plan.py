"""What decides a week's rows: which event each one shows, and what is planted in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.sample.draws import Ints, Numbers, number, uniform
from services.sample.events import Shown, week_start
from services.sample.layout import BLOCK, Layout, Places
from services.sample.rules import (
    BIG_ROWS,
    FIRST_BIG,
    FIRST_GROUP,
    FIRST_SINGLE,
    GROUP_KINDS,
    SINGLE_KINDS,
    Mix,
    mixture,
)  # fmt: skip

# Slots of the first file that hold an ev at the size limit, beyond it and just within; on their own in every mix.
_BIG_SLOTS = (10, BLOCK + 10)
_NEARLY_BIG_SLOTS = (35, BLOCK + 35)


class Plan(NamedTuple):
    """All that decides a week's bytes; small enough to send to a worker."""

    week: str
    layout: Layout
    devices: int
    seed: int
    mix: Mix


def plan(week: str, rows: int, files: int, devices: int, seed: int, mix: Mix) -> Plan:
    start = number(seed, week_start(week))
    return Plan(week, Layout(rows, files, mixture(mix).guests, start), devices, seed, mix)


def shown_in(layout: Layout, spots: Places) -> Shown:
    ids: Numbers = (
        np.uint64(layout.seed) + (spots.file.astype(np.uint64) << np.uint64(36)) + spots.slot.astype(np.uint64)
    )
    record = 1_000_000 + spots.file * (layout.rows // layout.files + 1) + spots.slot
    return Shown(ids, record, spots.role)


def kinds_of(plan: Plan, spots: Places, ids: Numbers) -> Ints:
    """Index into KINDS; the same for an event and its guests."""
    chances, shares = uniform(ids, 21), mixture(plan.mix)
    single = np.searchsorted(shares.singles, chances, side="right")
    kind = np.where(single < len(SINGLE_KINDS), single + FIRST_SINGLE, 0)
    # The last share may end a rounding error below one.
    group = np.minimum(np.searchsorted(shares.groups, chances, side="right"), len(GROUP_KINDS) - 1)
    kind = np.where(spots.grouped, group + FIRST_GROUP, kind)
    if plan.layout.rows >= BIG_ROWS:
        kind = np.where((spots.file == 0) & np.isin(spots.slot, _BIG_SLOTS), FIRST_BIG, kind)
        kind = np.where((spots.file == 0) & np.isin(spots.slot, _NEARLY_BIG_SLOTS), FIRST_BIG + 1, kind)
    return kind
