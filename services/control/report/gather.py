"""Manifests, judgement and devices → the facts of a report."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from services.contracts.errors import NotReadyError
from services.contracts.manifest import Manifest, read_by_feature
from services.control.judgement import Judgement, judge
from services.control.report import comparison
from services.control.report.cost import cost
from services.control.report.devices import error_movers
from services.control.report.facts import Drop, Report, StageFacts, State, Verdict
from services.control.weeks import Week, known_weeks, read_week
from services.lake.publish import read_manifest
from services.lake.store import Store
from services.runtime.settings import Settings

WEEKS_OF_HISTORY = 26
_READERS = 8
"""Manifests on their way at once: on S3 each is a round trip."""
SLA_SECONDS = {"ingest": 120.0, "clean": 480.0, "feature": 180.0}
"""At 12 million rows a drop."""


def gather(settings: Settings, lake: Store) -> Report:
    """The report of the week that the settings name, by default the newest; NotReadyError where there is none."""
    known = known_weeks(lake)
    if settings.week != "auto":
        known = [week for week in known if week <= settings.week]
    weeks = _read(lake, known[-WEEKS_OF_HISTORY:])
    while weeks and not (weeks[-1].ingest or weeks[-1].clean):
        weeks.pop()  # begun, and nothing of it published yet
    if settings.week != "auto" and not (weeks and weeks[-1].week == settings.week):
        advice = f"`eventlog run --week {settings.week}` brings it in"
        raise NotReadyError(f"{lake.url}: week {settings.week} is not in this lake; {advice}")
    if not weeks:
        raise NotReadyError(f"{lake.url}: no week has been ingested yet; `eventlog run` brings drops in")
    return _report(settings, lake, weeks)


def _read(lake: Store, names: Sequence[str]) -> list[Week]:
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(partial(read_week, lake), names))


def _report(settings: Settings, lake: Store, weeks: list[Week]) -> Report:
    week, before = weeks[-1], _before(weeks)
    feature = read_manifest(lake, "feature", None)
    if not (feature and feature.window and feature.window.as_of_week == week.week):
        feature = None
    drop = week.ingest.drop if week.ingest else None
    quality = week.clean.quality if week.clean else None
    past = comparison.history(weeks)
    stages = _stages(weeks, feature)
    made = [manifest for manifest in (week.ingest, week.clean) if manifest]
    return Report(
        week=week.week,
        generation=sum(manifest.generation for manifest in made),
        contract=max(manifest.contract for manifest in made),
        verdict=verdict(judge(settings, lake, week.week), week),
        ledger={name: rows for manifest in made for name, rows in manifest.ledger.items()},
        drop=Drop(
            drop.raw_bytes,
            drop.raw_bytes_previous,
            len(drop.rows_by_file),
            drop.quarantined,
            drop.unusable_eventdates,
            drop.skipped_files,
        )
        if drop
        else None,
        counts=quality.counts if quality else None,
        timestamps=quality.timestamps if quality else {},
        unusable_times=quality.unusable_times if quality else (),
        ev_statuses=quality.ev_statuses if quality else {},
        history=past,
        comparisons=comparison.compare(past),
        products=comparison.products(week, before),
        files=comparison.source_files(week),
        devices=error_movers(lake, feature, week.week, before.week if before else None) if feature else None,
        columns=comparison.columns(week, before),
        stages=stages,
        cost=cost(stages),
    )


def verdict(judgement: Judgement, week: Week) -> Verdict:
    """The worst finding decides; what was looked at and accepted decides nothing."""
    findings = () if judgement.accepted is not None else judgement.findings
    missing = [stage for stage, manifest in (("ingest", week.ingest), ("clean", week.clean)) if manifest is None]
    if findings:
        state: State = "critical" if any(f.severity == "critical" for f in findings) else "warning"
        headline = "One thing to look at" if len(findings) == 1 else f"{len(findings)} things to look at"
    elif missing:
        state, headline = "incomplete", f"Not complete: {missing[0]} has not published this week"
    else:
        state = "good"
        headline = "All good" if judgement.accepted is None else "Looked at and accepted"
    return Verdict(state, headline, judgement)


def _before(weeks: Sequence[Week]) -> Week | None:
    """The newest earlier week that is in the lake as this one is."""
    return next((week for week in reversed(weeks[:-1]) if week.ingest), None)


def _stages(weeks: Sequence[Week], feature: Manifest | None) -> tuple[StageFacts, ...]:
    week = weeks[-1]
    found = []
    if week.ingest:
        drop = week.ingest.drop
        found.append(_stage(week.ingest, drop.raw_bytes if drop else 0))
    if week.clean:
        raw = {o.key: o.bytes for o in week.ingest.outputs} if week.ingest else {}
        found.append(_stage(week.clean, sum(raw.get(i.key, 0) for i in week.clean.inputs)))
    if feature:
        sizes = {key: size for w in weeks if w.clean for key, _, size in read_by_feature(w.clean)}
        found.append(_stage(feature, sum(sizes.get(i.key, 0) for i in feature.inputs)))
    return tuple(found)


def _stage(manifest: Manifest, bytes_read: int) -> StageFacts:
    run = manifest.run
    return StageFacts(
        stage=manifest.stage,
        run_id=run.run_id,
        program=run.program,
        generation=manifest.generation,
        attempt=run.attempt,
        started=run.started,
        finished=run.finished,
        seconds=run.seconds.get("total", 0.0),
        steps={name: seconds for name, seconds in run.seconds.items() if name != "total"},
        sla_seconds=SLA_SECONDS[manifest.stage],
        cpu_seconds=run.cpu_seconds,
        peak_memory_bytes=run.peak_memory_bytes,
        bytes_read=bytes_read,
        bytes_written=sum(o.bytes for o in manifest.outputs),
        objects_read=len(manifest.inputs),
        objects_written=len(manifest.outputs),
    )
