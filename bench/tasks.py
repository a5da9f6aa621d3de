"""The drops of a run: made here, or somebody else's."""

import argparse
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from bench.drop import make_drop

_ROUNDS = 3


class Task(NamedTuple):
    """A drop and how often each contender takes it."""

    source: str
    week: str
    rows: int
    bytes: int
    kept_rows: int | None
    """What the drop's maker says that the contract keeps; None for a drop of somebody else's."""
    rounds: int


class Plan(NamedTuple):
    """A drop to be made, and its rounds."""

    rows: int
    rounds: int

    @staticmethod
    def of(text: str) -> "Plan":
        """`4000000x3`: so many rows, three rounds."""
        rows, _, rounds = text.partition("x")
        return Plan(int(rows), int(rounds or _ROUNDS))

    def make(self, folder: Path) -> Task:
        """The drop below a folder; one that is there is taken as it is."""
        drop = make_drop(folder, self.rows)
        return Task(drop.source, drop.week, drop.rows, drop.bytes, drop.kept_rows, self.rounds)


def given(text: str) -> Task:
    """`drops/2024-05-10:3`: a folder named for its week, three rounds."""
    folder, _, rounds = text.partition(":")
    path = Path(folder).absolute()
    files = sorted(path.glob("[!_.]*.parquet"))
    if not files:
        raise argparse.ArgumentTypeError(f"{path} holds no Parquet files; name the folder of one week")
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    size = sum(file.stat().st_size for file in files)
    return Task(str(path.parent), path.name, rows, size, None, int(rounds or _ROUNDS))
