"""All weeks of a lake at a glance: state of each stage, key figures, and what deserves a look."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from services.contracts import layout
from services.contracts.layout import Stage
from services.contracts.manifest import Figures, Manifest
from services.control.terminal import count, percent, table
from services.control.weeks import Week, changes, clean_files, raw_files, read_weeks, still_to_erase, unfinished
from services.lake.claim import read_claim
from services.lake.erasures import read_erasures
from services.lake.publish import read_manifest
from services.lake.store import Store
from services.runtime.gates import beyond_gates
from services.runtime.settings import Settings


@dataclass(frozen=True)
class StageStatus:
    """What is published by a stage."""

    state: str
    """`published`, `outdated`, `unfinished` or `missing`."""
    generation: int | None
    finished: str | None
    ledger: dict[str, int]


@dataclass(frozen=True)
class WeekStatus:
    """One line of the table."""

    week: str
    ingest: StageStatus
    clean: StageStatus
    figures: Figures | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Status:
    """The lake as it is."""

    lake: str
    weeks: tuple[WeekStatus, ...]
    feature: StageStatus
    feature_flags: tuple[str, ...]
    as_of_week: str | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def status(settings: Settings, lake: Store) -> Status:
    """Read every manifest; nothing is listed or compared with the source (that is `plan`)."""
    weeks = read_weeks(lake, settings.week)
    everything = weeks if settings.week == "auto" else read_weeks(lake, "auto")
    feature = read_manifest(lake, "feature", None)
    inputs = clean_files(everything, settings.feature_weeks)
    flags = _changes(feature, settings, "feature", inputs)
    return Status(
        lake.url,
        tuple(_week(settings, lake, week) for week in weeks),
        _stage(lake, "feature", None, feature, outdated=bool(flags)),
        tuple(flags),
        feature.window.as_of_week if feature and feature.window else None,
    )


def show(found: Status) -> list[Table | str]:
    """The table, the features, and a word where there is nothing."""
    if not found.weeks:
        return [f"{found.lake}: no week has been ingested yet; `eventlog run` brings drops in"]
    shares = ("re-sends", "invalid", "missing", "errors")
    columns = ("week", "ingest", "clean", "raw rows", "clean rows", *shares, "look at")
    weeks = table(None, *columns, left=("week", "ingest", "clean", "look at"))
    for week in found.weeks:
        figures = week.figures
        weeks.add_row(
            week.week,
            week.ingest.state,
            week.clean.state,
            count(week.ingest.ledger.get("raw_rows")),
            count(week.clean.ledger.get("clean_rows")),
            percent(figures.duplicate_ratio if figures else None),
            percent(figures.invalid_timestamp_ratio if figures else None),
            percent(figures.missing_timestamp_ratio if figures else None),
            percent(figures.error_ratio if figures else None),
            "; ".join(week.flags),
        )
    as_of = f", as of {found.as_of_week}" if found.as_of_week else ""
    said = f": {'; '.join(found.feature_flags)}" if found.feature_flags else ""
    return [weeks, f"\nfeatures {found.feature.state}{as_of}{said}"]


def _week(settings: Settings, lake: Store, week: Week) -> WeekStatus:
    inputs = raw_files(week.ingest) if week.ingest else {}
    ingest_flags = _changes(week.ingest, settings, "ingest", None)
    if week.ingest and (still := still_to_erase(read_erasures(lake), week.ingest)):
        ingest_flags.append(still)
    clean_flags = _changes(week.clean, settings, "clean", inputs)
    figures = week.clean.quality.figures if week.clean and week.clean.quality else None
    flags = [f"ingest: {flag}" for flag in ingest_flags] + [f"clean: {flag}" for flag in clean_flags]
    flags += data_flags(week) + gate_flags(settings, week)
    return WeekStatus(
        week.week,
        _stage(lake, "ingest", week.week, week.ingest, outdated=bool(ingest_flags)),
        _stage(lake, "clean", week.week, week.clean, outdated=bool(clean_flags)),
        figures,
        tuple(flags),
    )


def data_flags(week: Week) -> list[str]:
    """What a person should know of a week's data."""
    flags = []
    drop = week.ingest.drop if week.ingest else None
    if drop and drop.skipped_files:
        flags.append(f"bad files skipped: {len(drop.skipped_files)}")
    if drop and sum(drop.quarantined.values()):
        flags.append(f"rows in quarantine: {sum(drop.quarantined.values()):,}")
    figures = week.clean.quality.figures if week.clean and week.clean.quality else None
    if figures and figures.event_id_conflicts:
        flags.append(f"EventId conflicts: {figures.event_id_conflicts:,}")
    return flags


def gate_flags(settings: Settings, week: Week) -> list[str]:
    """Figures that the gates, as they are set now, would stop."""
    figures: dict[str, float] = {}
    if week.clean and week.clean.quality and week.clean.quality.figures:
        figures |= asdict(week.clean.quality.figures)
    if week.ingest and week.ingest.drop:
        figures["raw_bytes"] = week.ingest.drop.raw_bytes
    return beyond_gates(settings.gates(), figures)


def _changes(manifest: Manifest | None, settings: Settings, stage: Stage, inputs: dict[str, str] | None) -> list[str]:
    if manifest is None:
        return []
    read = {i.key: i.etag for i in manifest.inputs} if inputs is None else inputs
    return changes(manifest, settings.bytes_of(stage), read)


def _stage(lake: Store, stage: Stage, week: str | None, manifest: Manifest | None, *, outdated: bool) -> StageStatus:
    state = "missing" if manifest is None else "outdated" if outdated else "published"
    claim, _ = read_claim(lake, layout.claim_key(stage, week))
    if unfinished(claim, manifest):
        state = "unfinished"
    if manifest is None:
        return StageStatus(state, None, None, {})
    return StageStatus(state, manifest.generation, manifest.run.finished, manifest.ledger)
