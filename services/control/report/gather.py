"""Manifests, judgement and devices → the facts of a report."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from services.contracts import manifest
from services.contracts.errors import NotReadyError
from services.contracts.manifest import Manifest, read_by_feature
from services.control.report import comparison
from services.control.report.cost import cost
from services.control.report.devices import error_movers
from services.control.report.facts import DeviceErrors, Drop, Report, StageFacts, State, Verdict
from services.control.weeks import absent, empty
from services.judgement.accepted import read_accepted
from services.judgement.judge import Judgement, judged
from services.judgement.week import WeekFacts
from services.lake.publish import read_manifest
from services.lake.store import Store
from services.lake.weeks import Week, known_weeks, read_week
from services.runtime.settings import Settings

WEEKS_READ = 53
"""A year before the week itself: what judging it looks at."""
_WEEKS_SHOWN = 26
_READERS = 8
"""Manifests on their way at once: on S3 each is a round trip."""


class Published(NamedTuple):
    """A week of which at least one stage is published."""

    manifests: Week
    facts: WeekFacts
    """What it is judged by."""


def gather(settings: Settings, lake: Store) -> Report:
    """The report of the week that the settings name, by default the newest; NotReadyError where there is none."""
    known = known_weeks(lake)
    if settings.week != "auto":
        known = [week for week in known if week <= settings.week]
    weeks = read_published(lake, known[-WEEKS_READ:])
    if settings.week != "auto" and not (weeks and weeks[-1].manifests.week == settings.week):
        raise absent(lake, settings.week, begun=settings.week in known)
    if not weeks:
        raise NotReadyError(empty(lake.url))
    return report_of(settings, lake, weeks)


def read_published(lake: Store, names: Sequence[str]) -> list[Published]:
    """What is published of these weeks; those that are only begun are left out."""
    with ThreadPoolExecutor(_READERS) as pool:
        return [week for week in pool.map(partial(_read, lake), names) if week]


def report_of(settings: Settings, lake: Store, weeks: Sequence[Published]) -> Report:
    """The report of the last of these weeks; the others are its history."""
    limits = settings.limits()
    judgements = judged((week.facts for week in weeks), limits)
    shown = [week.manifests for week in weeks[-_WEEKS_SHOWN:]]
    week, before = shown[-1], _before(shown)
    feature = read_manifest(lake, "feature", None)
    if not (feature and feature.window and feature.window.as_of_week == week.week):
        feature = None
    made = [found for found in (week.ingest, week.clean) if found]
    quality = week.clean.quality if week.clean else None
    past = comparison.history(shown, judgements)
    stages = _stages(settings, shown, feature)
    return Report(
        week=week.week,
        generation=sum(found.generation for found in made),
        contract=max(found.contract for found in made),
        verdict=verdict(judgements[week.week], week),
        ledger={name: rows for found in made for name, rows in found.ledger.items()},
        drop=_drop(week.ingest.drop) if week.ingest and week.ingest.drop else None,
        counts=quality.counts if quality else None,
        timestamps=quality.timestamps if quality else {},
        unusable_times=quality.unusable_times if quality else (),
        ev_statuses=quality.ev_statuses if quality else {},
        history=past,
        comparisons=comparison.compare(past),
        ordinary_bytes=comparison.ordinary_bytes(past, limits.raw_bytes_change),
        products=comparison.products(week, before),
        files=comparison.source_files(week),
        devices=_devices(lake, feature, week, before),
        columns=comparison.columns(week, before),
        stages=stages,
        cost=cost(stages),
    )


def verdict(judgement: Judgement, week: Week) -> Verdict:
    """The worst finding decides; what was accepted is no finding any more."""
    findings = judgement.findings
    missing = [stage for stage, found in (("ingest", week.ingest), ("clean", week.clean)) if found is None]
    if findings:
        state: State = "critical" if any(f.severity == "critical" for f in findings) else "warning"
        headline = "One thing to look at" if len(findings) == 1 else f"{len(findings)} things to look at"
    elif missing:
        state, headline = "incomplete", f"Not complete: {missing[0]} has not published this week"
    else:
        state = "good"
        headline = "All good" if judgement.accepted is None else "Looked at and accepted"
    return Verdict(state, headline, judgement)


def _read(lake: Store, name: str) -> Published | None:
    week = read_week(lake, name)
    if not (week.ingest or week.clean):
        return None
    return Published(week, WeekFacts.of(name, week.ingest, week.clean, read_accepted(lake, name)))


def _drop(drop: manifest.Drop) -> Drop:
    return Drop(
        drop.raw_bytes,
        drop.raw_bytes_previous,
        len(drop.rows_by_file),
        drop.quarantined,
        drop.unusable_eventdates,
        drop.skipped_files,
    )


def _devices(lake: Store, feature: Manifest | None, week: Week, before: Week | None) -> tuple[DeviceErrors, ...] | None:
    """None where the features are not of this week and the one before."""
    if not (feature and feature.window and before and before.week in feature.window.weeks):
        return None
    return error_movers(lake, feature, week.week, before.week)


def _before(weeks: Sequence[Week]) -> Week | None:
    """The newest earlier week that is in the lake as this one is."""
    return next((week for week in reversed(weeks[:-1]) if week.ingest), None)


def _stages(settings: Settings, weeks: Sequence[Week], feature: Manifest | None) -> tuple[StageFacts, ...]:
    """The stages of the last of these weeks, each with the bytes that it read."""
    week = weeks[-1]
    read: list[tuple[Manifest, int]] = []
    if week.ingest:
        read.append((week.ingest, week.ingest.drop.raw_bytes if week.ingest.drop else 0))
    if week.clean:
        raw = {o.key: o.bytes for o in week.ingest.outputs} if week.ingest else {}
        read.append((week.clean, sum(raw.get(i.key, 0) for i in week.clean.inputs)))
    if feature:
        sizes = {key: size for w in weeks if w.clean for key, _, size in read_by_feature(w.clean)}
        read.append((feature, sum(sizes.get(i.key, 0) for i in feature.inputs)))
    return tuple(_stage(made, size, settings.sla_seconds(made.stage)) for made, size in read)


def _stage(made: Manifest, bytes_read: int, sla_seconds: float) -> StageFacts:
    run = made.run
    return StageFacts(
        stage=made.stage,
        run_id=run.run_id,
        program=run.program,
        generation=made.generation,
        attempt=run.attempt,
        started=run.started,
        finished=run.finished,
        seconds=run.seconds.get("total", 0.0),
        steps={name: seconds for name, seconds in run.seconds.items() if name != "total"},
        sla_seconds=sla_seconds,
        cpu_seconds=run.cpu_seconds,
        peak_memory_bytes=run.peak_memory_bytes,
        bytes_read=bytes_read,
        bytes_written=sum(o.bytes for o in made.outputs),
        objects_read=len(made.inputs),
        objects_written=len(made.outputs),
    )
