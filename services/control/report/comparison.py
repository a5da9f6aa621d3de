"""A week beside those before it: all from manifests."""

from collections.abc import Mapping, Sequence
from statistics import median

from services.contracts.manifest import Counts, Figures
from services.control.report.facts import Columns, Comparison, Part, PastWeek
from services.judgement.judge import Judgement
from services.lake.weeks import Week

_MEDIAN_OF = 8
"""Weeks: the history that the alerts look at too."""


def history(weeks: Sequence[Week], judgements: Mapping[str, Judgement]) -> tuple[PastWeek, ...]:
    """What is compared of each week, in their order."""
    return tuple(_past(week, judgements[week.week]) for week in weeks)


def ordinary_bytes(past: Sequence[PastWeek], change: float) -> tuple[float, float] | None:
    """The range around the newest earlier drop whose size was ordinary; None where there is none."""
    sizes = [week.raw_bytes for week in past[:-1] if week.raw_bytes and "raw_bytes" not in week.flagged]
    return (sizes[-1] * (1 - change), sizes[-1] * (1 + change)) if sizes else None


def compare(past: Sequence[PastWeek]) -> tuple[Comparison, ...]:
    """Every figure of the last week beside those of the others."""
    names = ("raw_bytes", "raw_rows", "clean_rows", *Figures.__dataclass_fields__)
    return tuple(_compare(name, [_value(week, name) for week in past]) for name in names)


def products(week: Week, before: Week | None) -> tuple[Part, ...]:
    """The pn of both weeks."""
    return _parts(_by_pn(week), _by_pn(before))


def source_files(week: Week) -> tuple[Part, ...]:
    """The source files of the week; those of another have other names."""
    now = week.clean.quality.counts_by_file if week.clean and week.clean.quality else {}
    if not now and week.ingest and week.ingest.drop:
        now = {name: Counts(raw_rows=rows) for name, rows in week.ingest.drop.rows_by_file.items()}
    return _parts(now, {})


def columns(week: Week, before: Week | None) -> Columns | None:
    """How the drop's columns changed; None where the week was not ingested."""
    if not (week.ingest and week.ingest.drop):
        return None
    now = week.ingest.drop.columns
    if not (before and before.ingest and before.ingest.drop):
        return Columns(None, len(now), {}, {}, {})
    then = before.ingest.drop.columns
    return Columns(
        before.week,
        len(now),
        added={name: now[name] for name in sorted(now.keys() - then.keys())},
        gone={name: then[name] for name in sorted(then.keys() - now.keys())},
        retyped={name: (then[name], now[name]) for name in sorted(now.keys() & then.keys()) if then[name] != now[name]},
    )


def _past(week: Week, judgement: Judgement) -> PastWeek:
    drop = week.ingest.drop if week.ingest else None
    return PastWeek(
        week.week,
        drop.raw_bytes if drop else None,
        week.ingest.ledger["raw_rows"] if week.ingest else None,
        week.clean.ledger["clean_rows"] if week.clean else None,
        week.clean.quality.figures if week.clean and week.clean.quality else None,
        {finding.figure: finding.severity for finding in judgement.findings},
    )


def _value(week: PastWeek, name: str) -> float | None:
    if name in Figures.__dataclass_fields__:
        return getattr(week.figures, name) if week.figures else None
    return getattr(week, name)


def _compare(name: str, trend: Sequence[float | None]) -> Comparison:
    earlier = [value for value in trend[:-1] if value is not None]
    return Comparison(
        name,
        now=trend[-1],
        previous=earlier[-1] if earlier else None,
        median=median(earlier[-_MEDIAN_OF:]) if earlier else None,
        trend=tuple(trend),
    )


def _by_pn(week: Week | None) -> Mapping[str, Counts]:
    if week and week.clean and week.clean.quality:
        return week.clean.quality.counts_by_pn
    if week and week.ingest and week.ingest.drop:
        return {pn: Counts(raw_rows=rows) for pn, rows in week.ingest.drop.rows_by_pn.items()}
    return {}


def _parts(now: Mapping[str, Counts], before: Mapping[str, Counts]) -> tuple[Part, ...]:
    parts = [Part(name, now.get(name), before.get(name)) for name in now.keys() | before.keys()]
    return tuple(sorted(parts, key=lambda part: (-(part.now or Counts()).raw_rows, part.name)))
