"""Where a change comes from: which product, source file and kind of event, each with its share of the change.

A ratio is a sum over parts, r = Σ rows(part) / all; so its change between two weeks is a sum as well, and a
part's share of it is exact. Shares of one dimension add up to 1; one may exceed it where others go the other way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from services.contracts.manifest import Counts, Quality
from services.judgement.week import RATIOS, WeekFacts

_SMALLEST = 0.05
"""Share below which a part explains nothing."""
_PER_DIMENSION = 5
_TEXT = 200
"""Characters of a cause in an alert: names come from the drop and can be long."""


@dataclass(frozen=True)
class Cause:
    """One ranked part of a change."""

    dimension: str
    """pn, file, timestamp_source, ev_status, reason, or row_size."""
    name: str
    share: float
    """Of the change, 0 to 1; it may exceed 1 where others go the other way."""


def causes(figure: str, now: WeekFacts, before: WeekFacts | None) -> tuple[Cause, ...]:
    """What the change of a figure since an ordinary week is made of; without one, what the figure is made of.

    Ranked: the dimension whose largest part says most comes first, its parts by their share.
    """
    ranked = [ranking for ranking in _rankings(figure, now, before) if ranking]
    ranked.sort(key=lambda ranking: -ranking[0].share)
    return tuple(cause for ranking in ranked for cause in ranking)


def cause_text(found: tuple[Cause, ...], change: Literal["rise", "fall"] | None) -> str:
    """The largest part of each dimension in words, such as `72 % of the rise comes from pn=L5`; empty for none."""
    what = f"the {change}" if change else "it"
    largest = [next(group) for _, group in groupby(found, key=lambda cause: cause.dimension)]
    if not largest:
        return ""
    parts = [f"{100 * cause.share:.0f} % of {what} comes from {_named(cause)}" for cause in largest[:1]]
    parts += [f"{100 * cause.share:.0f} % from {_named(cause)}" for cause in largest[1:3]]
    text = ", ".join(parts)
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"


def _named(cause: Cause) -> str:
    match cause.dimension:
        case "row_size":
            return "larger or smaller rows"
        case "timestamp_source":
            return cause.name
        case dimension:
            return f"{dimension}={cause.name}"


def _rankings(figure: str, now: WeekFacts, before: WeekFacts | None) -> Iterator[list[Cause]]:
    match figure:
        case "raw_bytes":
            yield from _size(now, before)
        case "quarantined_ratio":
            yield _ranking("reason", _shares(_quarantined(now)), _shares(_quarantined(before)))
        case "skipped_files":
            files = now.drop.skipped_files if now.drop else {}
            yield [Cause("file", name, 1 / len(files)) for name in sorted(files)]
        case _ if now.quality:
            yield from _quality(figure, now.quality, before.quality if before else None)


def _quality(figure: str, now: Quality, before: Quality | None) -> Iterator[list[Cause]]:
    part = RATIOS[figure]
    rows, of = part.rows, part.of
    whole, whole_before = getattr(now.counts, of), getattr(before.counts, of) if before else 0
    usual = getattr(before.counts, rows) / whole_before if before and whole_before else 0.0

    def by(counts: Mapping[str, Counts], total: int) -> dict[str, float]:
        return {name: getattr(c, rows) / total for name, c in counts.items()} if total else {}

    yield _ranking("pn", by(now.counts_by_pn, whole), by(before.counts_by_pn if before else {}, whole_before))
    # A file has no namesake a week earlier; what it holds beyond the usual ratio is its part.
    files = {name: (getattr(c, rows) - usual * getattr(c, of)) / whole for name, c in now.counts_by_file.items()}
    if len(files) > 1:
        yield _ranking("file", files, {})
    if figure in ("invalid_timestamp_ratio", "valid_timestamp_coverage"):
        change = getattr(now.counts, rows) / whole - usual
        sign = -1 if figure == "valid_timestamp_coverage" else 1
        yield _ranking("timestamp_source", _unusable(now, whole), _unusable(before, whole_before), sign * change)
    if figure == "ev_unparsable_ratio":
        yield _ranking("ev_status", _broken(now), _broken(before))


def _size(now: WeekFacts, before: WeekFacts | None) -> Iterator[list[Cause]]:
    """Rows stand for bytes, which are not known per part; what the rows do not explain is their size."""
    if not now.drop:
        return
    drop, old = now.drop, before.drop if before else None
    size = drop.raw_bytes - (old.raw_bytes if old else 0)
    rows, rows_before = sum(drop.rows_by_file.values()), sum(old.rows_by_file.values()) if old else 0
    a_row = old.raw_bytes / rows_before if old and rows_before else drop.raw_bytes / rows if rows else 0.0
    if not size:
        return
    explained = (rows - rows_before) * a_row / size
    if explained < 1 - _SMALLEST:
        yield [Cause("row_size", "bytes a row", min(1 - explained, 1.0))]
    total = size / a_row if a_row else 0.0
    old_pns = {pn: float(n) for pn, n in old.rows_by_pn.items()} if old else {}
    yield _ranking("pn", {pn: float(n) for pn, n in drop.rows_by_pn.items()}, old_pns, total)
    files, old_files = _plain_files(now), _plain_files(before)
    if len(files) > 1 or len(old_files) > 1:
        yield _ranking("file", files, old_files, total)


def _plain_files(week: WeekFacts | None) -> dict[str, float]:
    """Rows by file name, the week's date left out of it: what a file is called every week."""
    if week is None or week.drop is None:
        return {}
    named: dict[str, float] = {}
    for name, rows in week.drop.rows_by_file.items():
        plain = name.replace(week.week, "…").replace(week.week.replace("-", ""), "…")
        named[plain] = named.get(plain, 0.0) + rows
    return named


def _ranking(
    dimension: str, now: Mapping[str, float], before: Mapping[str, float], change: float | None = None
) -> list[Cause]:
    """Parts by their share of the change, which is by default the sum of theirs."""
    parts = {name: now.get(name, 0.0) - before.get(name, 0.0) for name in sorted(now.keys() | before.keys())}
    whole = sum(parts.values()) if change is None else change
    if not whole:
        return []
    shares = [Cause(dimension, name, round(part / whole, 4)) for name, part in parts.items()]
    ranked = sorted((c for c in shares if c.share >= _SMALLEST), key=lambda c: -c.share)
    return ranked[:_PER_DIMENSION]


def _unusable(quality: Quality | None, whole: int) -> dict[str, float]:
    """Candidates passed over per row, by what they claimed: the kinds of clock fault."""
    found: dict[str, float] = {}
    for time in quality.unusable_times if quality and whole else ():
        name = f"{time.candidate} {'that is no time' if time.year is None else f'in the year {time.year}'}"
        found[name] = found.get(name, 0.0) + time.rows / whole
    return found


def _broken(quality: Quality | None) -> dict[str, float]:
    bad = ("too_big", "too_deep", "not_json", "not_object")
    rows = quality.counts.raw_rows if quality else 0
    return {name: quality.ev_statuses.get(name, 0) / rows for name in bad} if quality and rows else {}


def _quarantined(week: WeekFacts | None) -> tuple[dict[str, int], int]:
    return (week.drop.quarantined, week.source_rows) if week and week.drop else ({}, 0)


def _shares(counted: tuple[dict[str, int], int]) -> dict[str, float]:
    counts, whole = counted
    return {name: rows / whole for name, rows in counts.items()} if whole else {}
