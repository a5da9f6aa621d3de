"""The facts of a report as tables: what came, what became of it, when it happened, where it came from."""

from collections import Counter
from dataclasses import asdict

from rich.table import Table

from services.contracts.manifest import Counts, Figures, UnusableTime
from services.control.report.facts import Comparison, Cost, DeviceErrors, Drop, Part, Report, StageFacts, Verdict
from services.control.report.numbers import money
from services.control.terminal import bar, count, megabytes, percent, sparkline, table

_ROWS_SHOWN = 15
"""Of long lists the largest; the JSON has all."""


def show(report: Report, lake: str) -> list[Table | str]:
    """The report as tables."""
    parts: list[Table | str] = [f"Week {report.week} in {lake}", *_verdict(report.verdict), _funnel(report.ledger)]
    if report.drop:
        parts += _drop(report.drop)
    if report.counts:
        parts += _quality(report, report.counts)
    if len(report.history) > 1:
        parts.append(_comparisons(report.comparisons, len(report.history)))
    if report.devices:
        parts.append(_devices(report.devices))
    return [*parts, _stages(report.stages), _cost(report.cost)]


def _verdict(verdict: Verdict) -> list[str]:
    lines = [f"{verdict.headline}"]
    for finding in verdict.findings:
        lines.append(f"  {finding.severity} ({finding.rule}): {finding.sentence}")
        lines += [f"    {cause.share:.0%} {cause.dimension} {cause.name}" for cause in finding.causes[:5]]
    if verdict.judgement.accepted is not None:
        lines.append(f"  accepted: {verdict.judgement.accepted}")
    if verdict.judgement.learning:
        lines.append("  limits from history are still learning: too few published weeks came before")
    return lines


def _funnel(ledger: dict[str, int]) -> Table:
    most = max(ledger.values(), default=0)
    made = table("\nRows", "", "rows", " ", left=("", " "))
    for name, number in ledger.items():
        made.add_row(name.replace("_", " "), count(number), bar(number / most if most else 0, 40))
    return made


def _drop(drop: Drop) -> list[Table | str]:
    before = drop.raw_bytes_previous
    change = f", {drop.raw_bytes / before - 1:+.1%} against the drop before" if before else ""
    parts: list[Table | str] = [f"\n{drop.files} source files, {megabytes(drop.raw_bytes)}{change}"]
    parts += [f"  skipped: {reason}" for reason in drop.skipped_files.values()]
    quarantined = {reason: rows for reason, rows in drop.quarantined.items() if rows}
    if quarantined:
        parts.append(_shares("\nQuarantine", "reason", quarantined))
    return parts


def _quality(report: Report, counts: Counts) -> list[Table | str]:
    raw = counts.raw_rows
    statuses = Counter[str]()
    for by_status in report.timestamps.values():
        statuses.update(by_status)
    by_source = {source: sum(rows.values()) for source, rows in report.timestamps.items()}
    parts: list[Table | str] = [_figures(Figures.of(counts))]
    parts.append(_shares("\nTimes by status", "status", dict(statuses), raw))
    parts.append(_shares("\nTimes by source", "source", by_source, raw))
    if report.unusable_times:
        parts.append(_unusable(report.unusable_times))
    parts.append(_shares("\nev by status", "status", {k: n for k, n in report.ev_statuses.items() if n}, raw))
    return [*parts, _parts("\nBy pn", "pn", report.products), _parts("\nBy source file", "file", report.files)]


def _figures(figures: Figures) -> Table:
    made = table("\nFigures", "figure", "value", left=("figure",))
    for name, value in asdict(figures).items():
        made.add_row(name, count(value) if isinstance(value, int) else percent(value))
    return made


def _unusable(times: tuple[UnusableTime, ...]) -> Table:
    rows = Counter[str]()
    for time in times:
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


def _parts(title: str, name: str, parts: tuple[Part, ...]) -> Table:
    shares = ("re-sends", "invalid", "missing", "no EventId", "unparsable", "errors")
    made = table(title, name, "raw rows", " ", *shares, left=(name, " "))
    there = [(part.name, part.now) for part in parts if part.now]
    most = there[0][1].raw_rows if there else 0
    for part, counts in there[:_ROWS_SHOWN]:
        figures = Figures.of(counts)
        made.add_row(
            part,
            count(counts.raw_rows),
            bar(counts.raw_rows / most if most else 0, 10),
            percent(figures.duplicate_ratio),
            percent(figures.invalid_timestamp_ratio),
            percent(figures.missing_timestamp_ratio),
            percent(figures.missing_event_id_ratio),
            percent(figures.ev_unparsable_ratio),
            percent(figures.error_ratio),
        )
    rest = there[_ROWS_SHOWN:]
    if rest:
        made.add_row(f"and {len(rest)} more", count(sum(counts.raw_rows for _, counts in rest)))
    return made


def _comparisons(comparisons: tuple[Comparison, ...], weeks: int) -> Table:
    """How the figures moved over the weeks up to this one."""
    made = table(f"\nLast {weeks} weeks", "figure", "trend", "before", "now", "median", left=("figure", "trend"))
    for compared in comparisons:
        whole = compared.figure in ("raw_bytes", "raw_rows", "clean_rows", "event_id_conflicts")
        cells = [
            "–" if value is None else f"{value:,.0f}" if whole else percent(value)
            for value in (compared.previous, compared.now, compared.median)
        ]
        made.add_row(compared.figure, sparkline([value or 0 for value in compared.trend]), *cells)
    return made


def _devices(devices: tuple[DeviceErrors, ...]) -> Table:
    made = table("\nDevices by change of their errors (SHA-256)", "device", "before", "now", left=("device",))
    for device in devices:
        made.add_row(device.device, count(device.errors_before), count(device.errors))
    return made


def _stages(stages: tuple[StageFacts, ...]) -> Table:
    names = ("stage", "finished", "generation", "seconds", "allowed", "of CPU", "peak memory", "read", "written", "run")
    made = table("\nRuns", *names, left=("stage", "run"))
    for stage in stages:
        made.add_row(
            stage.stage,
            stage.finished,
            str(stage.generation),
            f"{stage.seconds:.1f}",
            f"{stage.sla_seconds:.0f}",
            f"{stage.cpu_seconds:.1f}",
            megabytes(stage.peak_memory_bytes),
            megabytes(stage.bytes_read),
            megabytes(stage.bytes_written),
            stage.run_id,
        )
    return made


def _cost(cost: Cost) -> Table:
    made = table(
        "\nCost, estimated", "place", "the run", "storage a month", "prices", left=("place",), prose=("prices",)
    )
    for estimate in cost.estimates:
        run, stored = (money(amount, cost.currency) for amount in (estimate.total, estimate.storage_month))
        made.add_row(estimate.place, run, stored, estimate.basis)
    return made
