"""All weeks of a lake at a glance: state of each stage, key figures, and what deserves a look."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.table import Table
from rich.text import Text

from services.contracts import layout
from services.contracts.layout import Stage
from services.contracts.manifest import Figures, Manifest
from services.control.terminal import count, percent, sparkline, table
from services.control.weeks import absent, changes, clean_files, empty, raw_files, still_to_erase, unfinished
from services.judgement.judge import Judgement, judge_all
from services.lake.claim import read_claim
from services.lake.erasures import Erasures, read_erasures
from services.lake.publish import read_manifest
from services.lake.store import Store
from services.lake.weeks import Week, known_weeks, read_week
from services.runtime.gates import beyond_gates
from services.runtime.settings import Settings

SEVERITIES = ("warning", "critical")
"""From the mild to the grave."""
_WEEKS_DRAWN = 52
_UNFINISHED = {
    "unfinished": "a run of it is at work or did not end; `eventlog run` finishes it",
    "missing": "not all of it is published; `eventlog run` goes on with it",
}
"""What is said of a week by the first of its stages in such a state."""
_FIGURES = {
    "re-sends": "duplicate_ratio",
    "invalid": "invalid_timestamp_ratio",
    "missing": "missing_timestamp_ratio",
    "errors": "error_ratio",
}


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
    severity: str | None
    """Of the gravest finding in its data; None where nothing was found."""
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
    everything = [read_week(lake, week) for week in known_weeks(lake)]
    weeks = [week for week in everything if settings.week in ("auto", week.week)]
    if not weeks and settings.week != "auto":
        raise absent(lake, settings.week)
    feature = read_manifest(lake, "feature", None)
    inputs = clean_files(everything, settings.feature_weeks)
    flags = _changes(feature, settings, "feature", inputs)
    judgements = judge_all(settings.limits(), lake)
    erasures = read_erasures(lake)
    return Status(
        lake.url,
        tuple(_week(settings, lake, week, judgements[week.week], erasures) for week in weeks),
        _stage(lake, "feature", None, feature, outdated=bool(flags)),
        tuple(flags),
        feature.window.as_of_week if feature and feature.window else None,
    )


def show(found: Status) -> list[Table | str]:
    """How the figures run, the weeks, what to look at, the features; a word where there is nothing."""
    if not found.weeks:
        return [empty(found.lake)]
    number = "1 week" if len(found.weeks) == 1 else f"{len(found.weeks)} weeks"
    parts: list[Table | str] = [f"{number} in {found.lake}\n"]
    if len(found.weeks) > 1:
        parts += [_trends(found.weeks), ""]
    parts.append(_weeks(found.weeks))
    looks = [f"  {week.week}  {flag}" for week in found.weeks for flag in week.flags]
    as_of = f", as of {found.as_of_week}" if found.as_of_week else ""
    said = f": {'; '.join(found.feature_flags)}" if found.feature_flags else ""
    return [*parts, *(["\nLook at", *looks] if looks else []), f"\nfeatures {found.feature.state}{as_of}{said}"]


def _trends(weeks: tuple[WeekStatus, ...]) -> Table:
    """Each figure as a line of blocks over the newest weeks, with its median and its newest value."""
    recent = weeks[-_WEEKS_DRAWN:]
    made = table(None, "", "trend", "smallest", "median", "largest", "newest", left=("", "trend"))
    rows = [week.ingest.ledger["raw_rows"] for week in recent if week.ingest.ledger]
    _add_trend(made, "raw rows", rows, count)
    for label, name in _FIGURES.items():
        _add_trend(made, label, [getattr(week.figures, name) for week in recent if week.figures], percent)
    return made


def _add_trend(made: Table, label: str, values: Sequence[float], spell: Callable[[Any], str]) -> None:
    if values:
        told = (min(values), median(values), max(values), values[-1])
        cells = [spell(round(value)) if spell is count else spell(value) for value in told]
        made.add_row(label, sparkline(values), *cells)


def _weeks(weeks: tuple[WeekStatus, ...]) -> Table:
    columns = ("", "week", "ingest", "clean", "quarantined", "raw rows", "clean rows", *_FIGURES)
    made = table(None, *columns, left=("", "week", "ingest", "clean"))
    for week in weeks:
        made.add_row(
            _mark(week),
            week.week,
            week.ingest.state,
            week.clean.state,
            count(week.ingest.ledger.get("quarantined_rows")),
            count(week.ingest.ledger.get("raw_rows")),
            count(week.clean.ledger.get("clean_rows")),
            *(percent(getattr(week.figures, name) if week.figures else None) for name in _FIGURES.values()),
        )
    return made


def _mark(week: WeekStatus) -> Text:
    """The week in one character; its colour says the same again."""
    match week.severity:
        case "critical":
            return Text("✗", "red")
        case "warning":
            return Text("!", "yellow")
        case _:
            return Text("·", "yellow") if week.flags else Text("✓", "green")


def _week(settings: Settings, lake: Store, week: Week, judgement: Judgement, erasures: Erasures) -> WeekStatus:
    inputs = raw_files(week.ingest) if week.ingest else {}
    ingest_flags = _changes(week.ingest, settings, "ingest", None)
    if week.ingest and (still := still_to_erase(erasures, week.ingest)):
        ingest_flags.append(still)
    clean_flags = _changes(week.clean, settings, "clean", inputs)
    figures = week.clean.quality.figures if week.clean and week.clean.quality else None
    flags = [f"ingest: {flag}" for flag in ingest_flags] + [f"clean: {flag}" for flag in clean_flags]
    stages = (
        _stage(lake, "ingest", week.week, week.ingest, outdated=bool(ingest_flags)),
        _stage(lake, "clean", week.week, week.clean, outdated=bool(clean_flags)),
    )
    flags += [_UNFINISHED[stage.state] for stage in stages if stage.state in _UNFINISHED][:1]
    flags += judgement_flags(judgement) + gate_flags(settings, week)
    return WeekStatus(
        week.week,
        *stages,
        figures,
        max((finding.severity for finding in judgement.findings), key=SEVERITIES.index, default=None),
        tuple(flags),
    )


def judgement_flags(judgement: Judgement) -> list[str]:
    """What was found in a week's data, and whether somebody said that it is real."""
    found = [finding.sentence.removeprefix(f"week {judgement.week}: ") for finding in judgement.findings]
    return found + ([f"accepted: {judgement.accepted}"] if judgement.accepted else [])


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
