"""Which weeks are to be run, and why; nothing is written."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from rich.table import Table

from services.contracts import layout
from services.contracts.errors import NotReadyError, UsageError
from services.contracts.layout import Stage
from services.contracts.manifest import Manifest
from services.control.terminal import table
from services.control.weeks import changes, clean_files, raw_files, still_to_erase, unfinished
from services.lake.claim import Claim, read_claim
from services.lake.erasures import read_erasures
from services.lake.publish import read_manifest
from services.lake.source import list_drop, list_weeks
from services.lake.store import Store
from services.lake.weeks import Week, known_weeks, read_week
from services.runtime.settings import Settings


class Span(NamedTuple):
    """The weeks of a backfill, both ends included."""

    first: str
    last: str

    @staticmethod
    def of(first: str | None, last: str | None) -> "Span | None":
        """What `--from` and `--to` mean together; UsageError names every fault of both."""
        if first is None and last is None:
            return None
        ends = {"--from": first, "--to": last}
        faults = [f"{option} is missing: a range has two ends" for option, end in ends.items() if end is None]
        faults += [
            f"{option}={end}: must be a calendar date such as 2024-05-10"
            for option, end in ends.items()
            if end is not None and not layout.is_week(end)
        ]
        if faults or first is None or last is None:
            raise UsageError("; ".join(faults))
        if first > last:
            raise UsageError(f"--from={first} is later than --to={last}; swap them")
        return Span(first, last)


@dataclass(frozen=True)
class Verdict:
    """Whether a stage has work to do."""

    due: bool
    reason: str


@dataclass(frozen=True)
class WeekPlan:
    """What a run would do about one drop."""

    week: str
    ingest: Verdict
    clean: Verdict

    @property
    def due(self) -> bool:
        return self.ingest.due or self.clean.due


@dataclass(frozen=True)
class Plan:
    """What a run would do."""

    source: str
    lake: str
    week: str
    span: Span | None
    force: bool
    weeks: tuple[WeekPlan, ...]
    feature: Verdict
    newest: str
    """The newest week of these and of the lake's."""

    @property
    def run(self) -> list[str]:
        """The weeks to run, oldest first."""
        return [week.week for week in self.weeks if week.due]

    def to_json(self) -> dict[str, Any]:
        span = {"from": self.span.first, "to": self.span.last} if self.span else None
        return {**asdict(self), "span": span, "run": self.run}


_UP_TO_DATE = Verdict(due=False, reason="up to date")


def plan(settings: Settings, source: Store, lake: Store | None, span: Span | None = None) -> Plan:
    """Compare every drop, or those of a span, with what is published; `lake` is None where there is none yet.

    NotReadyError where a week that was asked for is not there or still arriving.
    """
    weeks = tuple(_plan_week(settings, source, lake, week) for week in drops(settings, source, span))
    known = known_weeks(lake) if lake else []
    feature = _plan_feature(settings, lake, known, any(week.due for week in weeks))
    newest = max([*(week.week for week in weeks), *known])
    return Plan(source.url, settings.lake, settings.week, span, settings.force, weeks, feature, newest)


def drops(settings: Settings, source: Store, span: Span | None = None) -> list[str]:
    """The weeks that a run is about, oldest first; NotReadyError where there is no drop at all."""
    if settings.week != "auto":
        if span:
            raise UsageError(f"--week={settings.week} is one week, --from and --to are several: give one or the other")
        return [settings.week]
    weeks = list_weeks(source)
    if not weeks:
        raise NotReadyError(f"{source.url}: there is no drop in it: {_advice(source)}")
    if span is None:
        return weeks
    within = [week for week in weeks if span.first <= week <= span.last]
    if not within:
        raise NotReadyError(
            f"{source.url}: there is no drop from {span.first} to {span.last}; it has {weeks[0]} to {weeks[-1]}"
        )
    return within


def show(found: Plan) -> list[Table | str]:
    """What was understood, each week with its reasons, and the weeks to run."""
    which = f"weeks {found.span.first} to {found.span.last}" if found.span else f"week {found.week}"
    forced = ", forced" if found.force else ""
    made = table(None, "week", "stage", "to do", "because", left=("week", "stage", "to do"), prose=("because",))
    for week in found.weeks:
        for stage, verdict in (("ingest", week.ingest), ("clean", week.clean)):
            made.add_row(week.week, stage, "run" if verdict.due else "–", verdict.reason)
    made.add_row("", "feature", "run" if found.feature.due else "–", found.feature.reason)
    weeks = " ".join(found.run) or "none"
    return [f"source {found.source}, lake {found.lake}, {which}{forced}\n", made, f"\nweeks to run: {weeks}"]


def _advice(source: Store) -> str:
    if any(o.key.endswith(".parquet") and "/" not in o.key for o in source.objects("")):
        folder = source.url.rstrip("/").rpartition("/")[2]
        if layout.is_week(folder):
            return "it is a drop itself, name the folder above it"
        return "its files lie directly in it, put each week's into a folder named by its date, such as 2024-05-10"
    return "no folder is named by a date, such as 2024-05-10; check --source"


def _plan_week(settings: Settings, source: Store, lake: Store | None, week: str) -> WeekPlan:
    now = read_week(lake, week) if lake else Week(week, None, None)
    try:
        drop = list_drop(source, week, settings.settle_seconds)
    except NotReadyError as waiting:
        if settings.week != "auto":
            raise
        return WeekPlan(week, Verdict(due=False, reason=str(waiting)), Verdict(due=False, reason="waits for ingest"))
    inputs = {key: etag for key, etag, _ in drop.objects}
    ingest = _judge(settings, lake, "ingest", week, now.ingest, inputs)
    if lake and now.ingest and (still := still_to_erase(read_erasures(lake), now.ingest)):
        ingest = Verdict(due=True, reason=f"{still}; {ingest.reason}" if ingest.due else still)
    if ingest.due or now.ingest is None:
        return WeekPlan(week, ingest, Verdict(due=True, reason="follows ingest"))
    return WeekPlan(week, ingest, _judge(settings, lake, "clean", week, now.clean, raw_files(now.ingest)))


def _plan_feature(settings: Settings, lake: Store | None, known: list[str], weeks_are_due: bool) -> Verdict:  # noqa: FBT001
    if weeks_are_due or lake is None:
        return Verdict(due=True, reason="follows clean")
    weeks = [read_week(lake, week) for week in known]
    manifest = read_manifest(lake, "feature", None)
    return _judge(settings, lake, "feature", None, manifest, clean_files(weeks, settings.feature_weeks))


def _judge(
    settings: Settings,
    lake: Store | None,
    stage: Stage,
    week: str | None,
    manifest: Manifest | None,
    inputs: dict[str, str],
) -> Verdict:
    if manifest is None or lake is None:
        return Verdict(due=True, reason="not published yet")
    reasons = changes(manifest, settings.bytes_of(stage), inputs)
    claim, _ = read_claim(lake, layout.claim_key(stage, week))
    if unfinished(claim, manifest):
        reasons.append("an earlier run did not finish")
    present = {o.key: o.etag for prefix in layout.zone_prefixes(stage, week) for o in lake.objects(prefix)}
    reasons += _damage(present, manifest, claim)
    if settings.force:
        reasons.append("forced")
    return Verdict(due=True, reason="; ".join(reasons)) if reasons else _UP_TO_DATE


def _damage(present: dict[str, str], manifest: Manifest, claim: Claim) -> list[str]:
    """How what lies in the zones differs from the manifest."""
    published = {o.key: o.etag for o in manifest.outputs}
    strangers = sorted(present.keys() - published.keys() - set(claim.keys))
    found = [f"{key} is not what was published" for key, etag in published.items() if present.get(key) != etag]
    found += [f"{key} was not written by this pipeline" for key in strangers]
    return found[:1] + ([f"and {len(found) - 1} more like this"] if len(found) > 1 else [])
