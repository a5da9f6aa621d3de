"""Every metric of a run: its name, what it says, and which part of a manifest or judgement it comes from.

All are gauges. A push replaces whole families only, so that a family is always made with all its labels, zeros too.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal, NamedTuple

from services.contracts.layout import Stage
from services.contracts.manifest import Counts, Figures, Manifest, Quality
from services.judgement.rules import RULES
from services.runtime.settings import Settings
from services.runtime.stage import program_version

if TYPE_CHECKING:
    from services.judgement.judge import Judgement  # pyarrow takes longer to import than all the rest

Part = Literal["ingest", "clean", "feature", "workflow"]
"""Value of the label `stage`."""
STATUSES = ("running", "succeeded", "waiting", "failed")
"""`waiting`: the week's input is not there yet, or still arriving; nobody has to be called for that."""
PRODUCTS_SHOWN = 20
"""Largest products that have metrics of their own: a thousand of them would be a burden to Prometheus."""
CAUSE = 300
"""Characters of a sentence that become a label."""

METRICS = {
    "eventlog_run_info": "The last run: its week, name and program version; always 1.",
    "eventlog_status": "Whether the last run is running, succeeded, waits for its input or failed: one of them is 1.",
    "eventlog_run_start_timestamp_seconds": "When the last run began, in Unix time.",
    "eventlog_last_completion_timestamp_seconds": "When the last run ended, well or not, in Unix time.",
    "eventlog_last_success_timestamp_seconds": "When the last good run ended, in Unix time.",
    "eventlog_duration_seconds": "Wall time of the last run that ended.",
    "eventlog_sla_seconds": "How long a run may take.",
    "eventlog_attempt": "Which retry the last run is, from 0.",
    "eventlog_exit_code": "How the last run ended.",
    "eventlog_failure_info": "Why the last run failed, in a sentence; empty where it did not; always 1.",
    "eventlog_week_timestamp_seconds": "Date of the newest drop that a run has begun with, in Unix time.",
    "eventlog_published_week_timestamp_seconds": "Date of the newest week that this stage has published, in Unix time.",
    "eventlog_rows_in": "Rows that were read.",
    "eventlog_rows_out": "Rows that were published.",
    "eventlog_duplicate_rows": "Re-sends that were merged into another row.",
    "eventlog_quarantined_rows": "Rows that were refused, by reason.",
    "eventlog_skipped_files": "Bad source files that were left out.",
    "eventlog_generation": "Generation of what is published.",
    "eventlog_output_bytes": "Bytes of all published files.",
    "eventlog_peak_memory_bytes": "Peak memory of the run that published.",
    "eventlog_cpu_seconds": "CPU time of the run that published.",
    "eventlog_raw_bytes": "Bytes of the drop's source files.",
    "eventlog_raw_bytes_previous": "The same of the newest earlier drop.",
    "eventlog_missing_timestamp_ratio": "Raw rows without any timestamp, per raw row.",
    "eventlog_invalid_timestamp_ratio": "Raw rows whose first timestamp is unusable, per raw row.",
    "eventlog_valid_timestamp_coverage": "Clean rows with a valid timestamp, per clean row.",
    "eventlog_missing_event_id_ratio": "Raw rows without an EventId, per raw row.",
    "eventlog_ev_unparsable_ratio": "Raw rows whose ev cannot be read, per raw row.",
    "eventlog_duplicate_ratio": "Re-sends, per raw row.",
    "eventlog_error_ratio": "Errors, per clean row.",
    "eventlog_event_id_conflicts": "Groups merged by EventId whose payloads differ.",
    "eventlog_timestamp_rows": "Raw rows by the source of their time and its status.",
    "eventlog_pn_rows": f"Raw rows of the {PRODUCTS_SHOWN} largest products.",
    "eventlog_pn_ratio": "Figures of these products.",
    "eventlog_devices": "Devices that have features.",
    "eventlog_threshold": "What a rule compares with: a maximum, a share of the drop before, deviations or seconds.",
    "eventlog_gate": "A gate that is set, by figure.",
    "eventlog_finding": "Whether a rule found something in the week, and what it comes from.",
    "eventlog_learning": "Whether a figure of the week has too short a history to be judged by it.",
    "eventlog_judged": "Whether the week could be judged.",
    "eventlog_week_flags": "What deserves a look in each of the newest weeks, by number.",
    "eventlog_due_weeks": "Weeks that were due within the last 52.",
    "eventlog_good_weeks": "Those of them that are published.",
    "eventlog_success_ratio": "The latter per former.",
}

_ROWS_IN = {"ingest": "source_rows", "clean": "raw_rows", "feature": "clean_rows"}
"""The term of each stage's ledger that says what it read."""
_ROWS_OUT = {"ingest": "raw_rows", "clean": "clean_rows", "feature": "error_events"}
_DAY = 86_400


class Gauge(NamedTuple):
    """One sample; its family is the name without labels, a key of METRICS."""

    name: str
    value: float
    labels: Mapping[str, str] = {}


def started(settings: Settings, part: Part, week: str | None, now: float) -> Iterator[Gauge]:
    """A run began: one that is killed says nothing later."""
    yield Gauge("eventlog_run_start_timestamp_seconds", now)
    yield Gauge("eventlog_attempt", settings.attempt)
    yield from status("running")
    yield from _run(settings, part, week)
    if part == "ingest" and week:
        yield Gauge("eventlog_week_timestamp_seconds", unix_time(week), {"week": week})


def ended(
    settings: Settings, part: Part, week: str | None, *, now: float, exit_code: int, seconds: float | None, reason: str
) -> Iterator[Gauge]:
    """A run ended; the time of the last success only on success."""
    yield Gauge("eventlog_last_completion_timestamp_seconds", now)
    yield Gauge("eventlog_exit_code", exit_code)
    if seconds is not None:
        yield Gauge("eventlog_duration_seconds", seconds)
    yield from status("succeeded" if exit_code == 0 else "waiting" if exit_code == 5 else "failed")
    yield Gauge("eventlog_failure_info", 1, {"reason": reason})
    yield from _run(settings, part, week)
    if exit_code == 0:
        yield Gauge("eventlog_last_success_timestamp_seconds", now)


def status(now: str) -> Iterator[Gauge]:
    for name in STATUSES:
        yield Gauge("eventlog_status", float(name == now), {"status": name})


def of_manifest(manifest: Manifest) -> Iterator[Gauge]:
    """What a manifest says, under the names that it has there."""
    stage = manifest.stage
    yield Gauge("eventlog_rows_in", manifest.ledger[_ROWS_IN[stage]])
    yield Gauge("eventlog_rows_out", manifest.ledger[_ROWS_OUT[stage]])
    yield Gauge("eventlog_generation", manifest.generation)
    yield Gauge("eventlog_output_bytes", sum(output.bytes for output in manifest.outputs))
    yield Gauge("eventlog_peak_memory_bytes", manifest.run.peak_memory_bytes)
    yield Gauge("eventlog_cpu_seconds", manifest.run.cpu_seconds)
    if manifest.drop:
        yield Gauge("eventlog_raw_bytes", manifest.drop.raw_bytes)
        if manifest.drop.raw_bytes_previous is not None:
            yield Gauge("eventlog_raw_bytes_previous", manifest.drop.raw_bytes_previous)
        yield Gauge("eventlog_skipped_files", len(manifest.drop.skipped_files))
        for reason, rows in manifest.drop.quarantined.items():
            yield Gauge("eventlog_quarantined_rows", rows, {"reason": reason})
    if manifest.quality:
        yield from _quality(manifest.quality)
    if manifest.window:
        yield Gauge("eventlog_devices", manifest.window.devices)


def published(week: str | None) -> Iterator[Gauge]:
    """The newest week that a stage has published."""
    if week:
        yield Gauge("eventlog_published_week_timestamp_seconds", unix_time(week), {"week": week})


def of_judgement(judgement: "Judgement", stage: Stage) -> Iterator[Gauge]:
    """Every rule of the stage, found or not, so that an alert ends."""
    found = {(finding.rule, finding.figure): finding for finding in judgement.findings}
    yield Gauge("eventlog_judged", 1)
    yield Gauge("eventlog_learning", float(judgement.learning))
    for rule in RULES:
        if rule.stage != stage:
            continue
        finding = found.get((rule.name, rule.figure))
        labels = {"rule": rule.name, "figure": rule.figure, "week": judgement.week}
        sentence = finding.sentence.removeprefix(f"week {judgement.week}: ") if finding else ""
        labels["cause"] = sentence[:CAUSE]
        yield Gauge("eventlog_finding", float(finding is not None), labels)


def of_verdict(flags: Mapping[str, int], due: int, good: int) -> Iterator[Gauge]:
    """What is to be said of all weeks: flags of the newest, and how many of those that were due are published."""
    for week, count in flags.items():
        yield Gauge("eventlog_week_flags", count, {"week": week})
    if due:
        yield Gauge("eventlog_due_weeks", due)
        yield Gauge("eventlog_good_weeks", good)
        yield Gauge("eventlog_success_ratio", good / due)


def thresholds(settings: Settings) -> dict[tuple[str, str], float]:
    """Rule and figure → the number that it compares with: rules, panels and jobs share it."""
    limits = settings.limits()
    found = {(rule.name, rule.figure): float(rule.limit(limits)) for rule in RULES}
    found["attempts", "attempt"] = settings.alert_attempts
    found["overdue", "age_seconds"] = settings.alert_overdue_days * _DAY
    found["unpublished", "age_seconds"] = settings.alert_unpublished_days * _DAY
    found["success", "success_ratio"] = settings.alert_success_ratio
    return found


def largest(counts: Mapping[str, Counts]) -> Iterable[tuple[str, Counts]]:
    """The products with most raw rows."""
    return sorted(counts.items(), key=lambda item: (-item[1].raw_rows, item[0]))[:PRODUCTS_SHOWN]


def unix_time(week: str) -> float:
    """A week's date as seconds since 1970."""
    return dt.datetime.fromisoformat(week).replace(tzinfo=dt.UTC).timestamp()


def _run(settings: Settings, part: Part, week: str | None) -> Iterator[Gauge]:
    """Which run, and the numbers that it is measured by."""
    named = week or (settings.week if settings.week != "auto" else "")
    labels = {"week": named, "run_id": settings.run_id, "version": program_version()}
    yield Gauge("eventlog_run_info", 1, labels)
    yield Gauge("eventlog_sla_seconds", settings.sla_seconds(part))
    for (rule, figure), value in thresholds(settings).items():
        yield Gauge("eventlog_threshold", value, {"rule": rule, "figure": figure})
    for figure, value in settings.gates().items():
        yield Gauge("eventlog_gate", value, {"figure": figure})


def _quality(quality: Quality) -> Iterator[Gauge]:
    from services.contracts.tables import (
        TIMESTAMP_SOURCES,
        TIMESTAMP_STATUSES,
    )  # pyarrow takes longer to import than all the rest

    counts = quality.counts
    yield Gauge("eventlog_duplicate_rows", counts.resends)
    for name, value in asdict(quality.figures or Figures.of(counts)).items():
        yield Gauge(f"eventlog_{name}", value)
    for source in ("none", *TIMESTAMP_SOURCES):
        for state in TIMESTAMP_STATUSES:
            rows = quality.timestamps.get(source, {}).get(state, 0)
            yield Gauge("eventlog_timestamp_rows", rows, {"source": source, "status": state})
    for pn, part in largest(quality.counts_by_pn):
        yield Gauge("eventlog_pn_rows", part.raw_rows, {"pn": pn})
        for name, value in asdict(Figures.of(part)).items():
            if name != "event_id_conflicts":
                yield Gauge("eventlog_pn_ratio", value, {"pn": pn, "figure": name})
