"""Which event each row of a week shows: arithmetic instead of a plan that would grow with the drop.

The rows of a file are cut into blocks of BLOCK slots, scattered within the block:

    slots      0 … homes-1          homes … BLOCK-guests-1       BLOCK-guests … BLOCK-1
    are        events with guests   events on their own          guests: rows about an event with guests

A guest sits in this or another file and block than its event, at a fixed distance, so that both ways are found by
counting. Rows after the last whole block are events on their own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.sample.draws import Flags, Ints, Numbers, below, number

BLOCK = 50

# Scatter the slots of a block: slot = row * 7 + shift, row = (slot - shift) * 43, both mod 50, where 7 * 43 is 1.
_STEP, _BACK = 7, 43
# How far a guest is from its event, in files and in blocks, by the guest's place in the block.
_FILES_AWAY = (0, 1, 0, 2, 0, 0, 1, 0, 3, 0)
_BLOCKS_AWAY = (0, 0, 5, 1, 0, 17, 2, 1, 0, 0)


class Layout(NamedTuple):
    """One week's rows. `guests` holds, for each event with guests of a block, how many it has."""

    rows: int
    files: int
    guests: tuple[int, ...]
    seed: int

    @property
    def most_guests(self) -> int:
        return max(self.guests)

    @property
    def blocks(self) -> int:
        """Whole blocks of each file: the same number, so that a guest's distance can wrap around."""
        return self.rows // self.files // BLOCK

    def rows_of(self, file: int) -> int:
        return self.rows // self.files + (file < self.rows % self.files)


class Places(NamedTuple):
    """For each row: file and slot of the event it shows, as which guest (0 = the event itself), and of how many."""

    file: Ints
    slot: Ints
    role: Ints
    guests: Ints

    @property
    def grouped(self) -> Flags:
        return self.guests > 0


def places(layout: Layout, file: int, start: int, stop: int) -> Places:
    """The rows [start, stop) of a file."""
    row = np.arange(start, stop, dtype=np.int64)
    block, at = np.divmod(row, BLOCK)
    whole = block < layout.blocks
    within = np.where(whole, (at * _STEP + _shift(layout, np.full_like(row, file), block)) % BLOCK, at)
    home, role, files_away, blocks_away = _tables(layout)
    guest_file = (file - files_away[within]) % layout.files
    guest_block = (block - blocks_away[within]) % max(layout.blocks, 1)
    is_guest = whole & (role[within] > 0)
    slot = np.where(is_guest, guest_block * BLOCK + home[within], block * BLOCK + within)
    counts = np.zeros(BLOCK, dtype=np.int64)
    counts[: len(layout.guests)] = layout.guests
    return Places(
        file=np.where(is_guest, guest_file, file),
        slot=slot,
        role=np.where(is_guest, role[within], 0),
        guests=np.where(whole, counts[slot % BLOCK], 0),
    )


def member(layout: Layout, home: Places, role: int) -> tuple[Ints, Ints]:
    """File and row of the given guest (0: of the event itself) of each home; meaningless where it has fewer guests."""
    block, within = np.divmod(home.slot, BLOCK)
    file = home.file
    if role:
        first_guest = np.cumsum((0, *layout.guests[:-1]))
        place = np.minimum(first_guest[np.minimum(within, len(layout.guests) - 1)] + role - 1, sum(layout.guests) - 1)
        within = BLOCK - sum(layout.guests) + place
        _, _, files_away, blocks_away = _tables(layout)
        file = (file + files_away[within]) % layout.files
        block = (block + blocks_away[within]) % max(layout.blocks, 1)
    return file, block * BLOCK + (within - _shift(layout, file, block)) * _BACK % BLOCK


def _shift(layout: Layout, file: Ints, block: Ints) -> Ints:
    ids: Numbers = (block * layout.files + file).astype(np.uint64) + np.uint64(number(layout.seed, 1) >> 1)
    return below(ids, 1, BLOCK)


def _tables(layout: Layout) -> tuple[Ints, Ints, Ints, Ints]:
    """For each slot of a block: home slot, role, files away and blocks away; zeros where the slot is no guest."""
    tables = np.zeros((4, BLOCK), dtype=np.int64)
    pairs = [(home, role + 1) for home, count in enumerate(layout.guests) for role in range(count)]
    for place, (home, role) in enumerate(pairs):
        tables[:, BLOCK - len(pairs) + place] = (home, role, _FILES_AWAY[place], _BLOCKS_AWAY[place])
    return tables[0], tables[1], tables[2], tables[3]
