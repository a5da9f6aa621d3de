"""One week in full, from its manifests: what came, what became of it, when it happened, where it came from."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from rich.table import Table

from services.contracts.errors import NotReadyError
from services.contracts.manifest import Drop, Figures, Manifest, Quality
from services.control.status import data_flags, gate_flags
from services.control.terminal import bar, count, megabytes, percent, sparkline, table
from services.control.weeks import Week, known_weeks, read_week, read_weeks
from services.lake.store import Store
from services.runtime.settings import Settings

_ROWS_SHOWN = 15
"""Of long lists the largest; the JSON has all."""
_WEEKS_OF_HISTORY = 26


def find(settings: Settings, lake: Store) -> Week:
    """The week that was asked for, by default the newest; NotReadyError where there is none."""
    known = known_weeks(lake)
    if settings.week == "auto" and not known:
        raise NotReadyError(f"{lake.url}: no week has been ingested yet; `eventlog run` brings drops in")
    return read_weeks(lake, known[-1] if settings.week == "auto" else settings.week)[0]


def to_json(week: Week) -> dict[str, Any]:
    """The manifests as they are."""
    return {
        "week": week.week,
        "ingest": asdict(week.ingest) if week.ingest else None,
        "clean": asdict(week.clean) if week.clean else None,
    }


def show(settings: Settings, lake: Store, week: Week) -> list[Table | str]:
    """The report as tables."""
    parts: list[Table | str] = [f"Week {week.week} in {lake.url}", *_looks(settings, week), _funnel(week)]
    if week.ingest and week.ingest.drop:
        parts += _drop(week.ingest.drop)
    if week.clean and week.clean.quality:
        parts += _quality(week.clean.quality)
    return [*parts, *_history(lake, week.week), _runs(week)]


def _looks(settings: Settings, week: Week) -> list[str]:
    flags = data_flags(week) + gate_flags(settings, week)
    return [f"Look at: {'; '.join(flags)}"] if flags else []


def _funnel(week: Week) -> Table:
    rows = {**(week.ingest.ledger if week.ingest else {}), **(week.clean.ledger if week.clean else {})}
    most = max(rows.values(), default=0)
    made = table("\nRows", "", "rows", " ", left=("", " "))
    for name, number in rows.items():
        made.add_row(name.replace("_", " "), count(number), bar(number / most if most else 0, 40))
    return made


def _drop(drop: Drop) -> list[Table | str]:
    before = drop.raw_bytes_previous
    change = f", {drop.raw_bytes / before - 1:+.1%} against the drop before" if before else ""
    parts: list[Table | str] = [f"\n{len(drop.rows_by_file)} source files, {megabytes(drop.raw_bytes)}{change}"]
    parts += [f"  skipped: {reason}" for reason in drop.skipped_files.values()]
    quarantined = {reason: rows for reason, rows in drop.quarantined.items() if rows}
    if quarantined:
        parts.append(_shares("\nQuarantine", "reason", quarantined))
    return parts


def _quality(quality: Quality) -> list[Table | str]:
    raw = quality.counts.raw_rows
    statuses = Counter[str]()
    for by_status in quality.timestamps.values():
        statuses.update(by_status)
    parts: list[Table | str] = [_figures(quality)]
    parts.append(_shares("\nTimes by status", "status", dict(statuses), raw))
    by_source = {source: sum(rows.values()) for source, rows in quality.timestamps.items()}
    parts.append(_shares("\nTimes by source", "source", by_source, raw))
    if quality.unusable_times:
        parts.append(_unusable(quality))
    parts.append(_shares("\nev by status", "status", {k: n for k, n in quality.ev_statuses.items() if n}, raw))
    parts.append(_by_part("\nBy pn", "pn", {pn: (c.raw_rows, Figures.of(c)) for pn, c in quality.counts_by_pn.items()}))
    by_file = {file: (c.raw_rows, Figures.of(c)) for file, c in quality.counts_by_file.items()}
    parts.append(_by_part("\nBy source file", "file", by_file))
    return parts


def _figures(quality: Quality) -> Table:
    made = table("\nFigures", "figure", "value", left=("figure",))
    for name, value in asdict(quality.figures or Figures.of(quality.counts)).items():
        made.add_row(name, count(value) if isinstance(value, int) else percent(value))
    return made


def _unusable(quality: Quality) -> Table:
    rows = Counter[str]()
    for time in quality.unusable_times:
        rows[f"{time.candidate} {'is no time' if time.year is None else f'says {time.year}'}"] += time.rows
    return _shares("\nCandidates passed over", "candidate", dict(rows.most_common(_ROWS_SHOWN)))


def _shares(title: str, name: str, rows: dict[str, int], whole: int | None = None) -> Table:
    """Rows by kind, with bars; the share is of the whole, the bar of the largest."""
    total = whole or sum(rows.values())
    most = max(rows.values(), default=0)
    made = table(title, name, "rows", "share", " ", left=(name, " "))
    for kind, number in sorted(rows.items(), key=lambda item: -item[1]):
        made.add_row(kind, count(number), percent(number / total if total else 0), bar(number / most if most else 0))
    return made


def _by_part(title: str, name: str, parts: dict[str, tuple[int, Figures]]) -> Table:
    made = table(
        title,
        name,
        "raw rows",
        " ",
        "re-sends",
        "invalid",
        "missing",
        "no EventId",
        "unparsable",
        "errors",
        left=(name, " "),
    )
    largest = sorted(parts.items(), key=lambda item: -item[1][0])
    most = largest[0][1][0] if largest else 0
    for part, (rows, figures) in largest[:_ROWS_SHOWN]:
        made.add_row(
            part,
            count(rows),
            bar(rows / most if most else 0, 10),
            percent(figures.duplicate_ratio),
            percent(figures.invalid_timestamp_ratio),
            percent(figures.missing_timestamp_ratio),
            percent(figures.missing_event_id_ratio),
            percent(figures.ev_unparsable_ratio),
            percent(figures.error_ratio),
        )
    if len(largest) > _ROWS_SHOWN:
        made.add_row(
            f"and {len(largest) - _ROWS_SHOWN} more", count(sum(rows for _, (rows, _) in largest[_ROWS_SHOWN:]))
        )
    return made


def _history(lake: Store, until: str) -> list[Table]:
    """How the figures moved over the weeks up to this one."""
    names = [week for week in known_weeks(lake) if week <= until][-_WEEKS_OF_HISTORY:]
    published = [clean for name in names if (clean := read_week(lake, name).clean) and clean.quality]
    if len(published) < 2:
        return []
    figures = [asdict(Figures.of(clean.quality.counts)) for clean in published if clean.quality]
    made = table(f"\nLast {len(published)} weeks", "figure", "trend", "before", "now", left=("figure", "trend"))
    for name in figures[0]:
        values = [float(week[name]) for week in figures]
        show_one = count if name == "event_id_conflicts" else percent
        made.add_row(name, sparkline(values), show_one(figures[-2][name]), show_one(figures[-1][name]))
    return [made]


def _runs(week: Week) -> Table:
    made = table(
        "\nRuns",
        "stage",
        "finished",
        "generation",
        "seconds",
        "of CPU",
        "peak memory",
        "written",
        "run",
        left=("stage", "run"),
    )
    for manifest in (week.ingest, week.clean):
        if manifest:
            made.add_row(*_run(manifest))
    return made


def _run(manifest: Manifest) -> list[str]:
    run = manifest.run
    return [
        manifest.stage,
        run.finished,
        str(manifest.generation),
        f"{run.seconds.get('total', 0):.1f}",
        f"{run.cpu_seconds:.1f}",
        megabytes(run.peak_memory_bytes),
        megabytes(sum(o.bytes for o in manifest.outputs)),
        run.run_id,
    ]
