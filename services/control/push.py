"""`eventlog metrics`: push a week's figures again from its manifests, or take a job out of the gateway."""

import datetime as dt
from collections.abc import Iterator

from services.contracts.errors import NotReadyError
from services.contracts.layout import Stage
from services.contracts.manifest import Manifest
from services.control.weeks import empty
from services.judgement.judge import judge, newest_week
from services.lake.publish import read_manifest
from services.lake.store import Store
from services.lake.weeks import known_weeks, read_week
from services.runtime import gauges
from services.runtime.gauges import Gauge
from services.runtime.metrics import push_again
from services.runtime.settings import Settings


def push_week(settings: Settings, lake: Store) -> list[Stage]:
    """Push what is published of a week, by default the newest, and of the features; the stages that had something.

    NotReadyError where there is no such week, UsageError without a gateway, TemporaryError where it refuses.
    """
    weeks = known_weeks(lake)
    if not weeks:
        raise NotReadyError(empty(lake.url))
    week = weeks[-1] if settings.week == "auto" else settings.week
    if week not in weeks:
        raise NotReadyError(f"{lake.url}: week {week} is not in this lake; `eventlog status` shows which are")
    found = read_week(lake, week)
    pushed: list[Stage] = []
    both: tuple[tuple[Stage, Manifest | None], ...] = (("ingest", found.ingest), ("clean", found.clean))
    for stage, manifest in both:
        if manifest:
            made = [*_said(settings, stage, manifest, newest_week(lake, stage))]
            made += gauges.of_judgement(judge(settings.limits(), lake, week), stage)
            push_again(settings, stage, made)
            pushed.append(stage)
    feature = read_manifest(lake, "feature", None)
    if feature and feature.window:
        push_again(settings, "feature", _said(settings, "feature", feature, feature.window.as_of_week))
        pushed.append("feature")
    return pushed


def _said(settings: Settings, stage: Stage, manifest: Manifest, newest: str | None) -> Iterator[Gauge]:
    """What the run that published said at its start and at its end."""
    run = manifest.run
    its = settings.model_copy(update={"run_id": run.run_id, "attempt": run.attempt})
    begun = gauges.started(its, stage, manifest.week, _time(run.started))
    ended = gauges.ended(
        its,
        stage,
        manifest.week,
        now=_time(run.finished),
        exit_code=0,
        seconds=run.seconds.get("total", 0.0),
        reason="",
    )
    yield from _last_of_each([*begun, *ended])
    yield from gauges.published(newest)
    yield from gauges.of_manifest(manifest)


def _last_of_each(made: list[Gauge]) -> Iterator[Gauge]:
    """Start and end both say which run it was and whether it runs; the end is right."""
    yield from {(gauge.name, tuple(sorted(gauge.labels.items()))): gauge for gauge in made}.values()


def _time(iso: str) -> float:
    return dt.datetime.fromisoformat(iso).timestamp()
