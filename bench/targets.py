"""The targets, and what a run says of each."""

import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.contenders import DUCKDB, NATIVE, PANDAS, PYTHON
from bench.trial import Trial

SMALL, LARGE = 4_000_000, 12_000_000
"""Rows at which the targets hold."""


class Figure(NamedTuple):
    """What a run says of a target."""

    value: float
    counts: bool = True
    """Whether the peer keeps the rows that we keep: it does less or other work otherwise."""


class Target(NamedTuple):
    """A figure, at most so much with the native kernel and without it."""

    name: str
    native: float
    python: float
    unit: str
    figure: Callable[[Sequence[Trial], str], Figure | None]


class Judged(NamedTuple):
    """One target beside one of the product's kernels; `figure` is None where the run does not tell."""

    name: str
    contender: str
    limit: float
    figure: Figure | None
    unit: str

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "not measured"
        verdict = "met" if self.figure.value <= self.limit else "not met"
        return verdict if self.figure.counts else f"{verdict}, but the peer keeps other rows"


def judge(trials: Sequence[Trial], first_line: float | None) -> list[Judged]:
    """Every target for both kernels."""
    judged = []
    for target in _TARGETS:
        for contender, limit in ((NATIVE, target.native), (PYTHON, target.python)):
            figure = target.figure(trials, contender)
            judged.append(Judged(target.name, contender, limit, figure, target.unit))
    start = None if first_line is None else Figure(first_line)
    judged.append(Judged("start of `python -m services.clean` to its first log line", "either", 0.7, start, "s"))
    return judged


def good_trials(trials: Sequence[Trial], contender: str, rows: int | None) -> list[Trial]:
    """The passes of a contender over a drop of so many rows that came through."""
    return [trial for trial in trials if trial.contender == contender and trial.rows == rows and trial.good]


def _near(trials: Sequence[Trial], rows: int) -> int | None:
    """The rows of the drop that a target speaks of: a drop of somebody else's is seldom round."""
    nearest = min((trial.rows for trial in trials), key=lambda measured: abs(measured - rows), default=0)
    return nearest if 0.8 < nearest / rows < 1.25 else None


def _against(peer: str, measure: Callable[[Trial], float]) -> Callable[[Sequence[Trial], str], Figure | None]:
    """The median over the rounds of ours / theirs: both of a round met the same state of the machine."""

    def ratio(trials: Sequence[Trial], ours: str) -> Figure | None:
        rows = _near(trials, SMALL)
        theirs = {trial.round: trial for trial in good_trials(trials, peer, rows)}
        own = {trial.round: trial for trial in good_trials(trials, ours, rows)}
        pairs = [(own[round_], theirs[round_]) for round_ in own.keys() & theirs.keys()]
        if not pairs:
            return None
        counts = all(mine.kept_rows == its.kept_rows for mine, its in pairs)
        return Figure(statistics.median(measure(mine) / measure(its) for mine, its in pairs), counts)

    return ratio


def _peak(rows: int) -> Callable[[Sequence[Trial], str], Figure | None]:
    def gibibytes(trials: Sequence[Trial], ours: str) -> Figure | None:
        peaks = [trial.peak_bytes / 2**30 for trial in good_trials(trials, ours, _near(trials, rows))]
        return Figure(max(peaks)) if peaks else None

    return gibibytes


def _peaks_apart(trials: Sequence[Trial], ours: str) -> Figure | None:
    peaks = [peak.value for rows in (SMALL, LARGE) if (peak := _peak(rows)(trials, ours))]
    return Figure(max(peaks) / min(peaks)) if len(peaks) > 1 else None


def _growth(trials: Sequence[Trial], ours: str) -> Figure | None:
    small, large = (
        [trial.wall_seconds for trial in good_trials(trials, ours, _near(trials, rows))] for rows in (SMALL, LARGE)
    )
    return Figure(statistics.median(large) / statistics.median(small)) if small and large else None


def _clean_wall(trial: Trial) -> float:
    return trial.stages["clean"].wall_seconds


def _clean_peak(trial: Trial) -> float:
    return trial.stages["clean"].peak_bytes


def _wall(trial: Trial) -> float:
    return trial.wall_seconds


_TARGETS = (
    Target("clean against DuckDB's one statement, wall", 0.5, 0.8, "of it", _against(DUCKDB, _clean_wall)),
    Target("three stages against DuckDB's three, wall", 0.65, 0.85, "of it", _against(DUCKDB, _wall)),
    Target("clean against pandas, wall", 1 / 20, 1 / 12, "of it", _against(PANDAS, _clean_wall)),
    Target("clean against pandas, memory", 1 / 10, 1 / 10, "of it", _against(PANDAS, _clean_peak)),
    Target("peak memory at 4 million rows", 1.0, 1.0, "GiB", _peak(SMALL)),
    Target("peak memory at 12 million rows", 1.0, 1.0, "GiB", _peak(LARGE)),
    Target("peak memory at 4 and 12 million rows, larger by smaller", 1.2, 1.2, "times", _peaks_apart),
    Target("12 against 4 million rows, wall", 3.2, 3.2, "times", _growth),
)
