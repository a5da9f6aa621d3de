"""What Prometheus learns of a run, pushed; a gateway that fails harms nothing.

By POST under `job, stage`: a family that is not pushed keeps its last value, so a failed run does not wipe the
last success. What the metrics are stands in services/runtime/gauges.py.
"""

import time
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from typing import TYPE_CHECKING

import structlog

from services.contracts.errors import TemporaryError, UsageError
from services.contracts.layout import STAGES, Stage
from services.contracts.manifest import Manifest
from services.runtime import gauges
from services.runtime.gauges import CAUSE, METRICS, Gauge, Part
from services.runtime.settings import Settings, masked

if TYPE_CHECKING:
    from services.judgement.judge import Judgement  # pyarrow takes longer to import than all the rest

log = structlog.get_logger()

_TIMEOUT = 5.0
"""Seconds; a push never delays a run by more."""


def push_start(settings: Settings, stage: Part, week: str | None) -> None:
    """Say that a run began: one that is killed says nothing later."""
    _push_or_warn(settings, stage, gauges.started(settings, stage, week, time.time()))


def push_failure(
    settings: Settings, stage: Stage, week: str | None, *, exit_code: int, seconds: float, reason: str
) -> None:
    """Say how a run ended badly; what was published before stays as it is."""
    said = masked(reason)[:CAUSE]
    now = time.time()
    _push_or_warn(
        settings,
        stage,
        gauges.ended(settings, stage, week, now=now, exit_code=exit_code, seconds=seconds, reason=said),
    )


def push_success(
    settings: Settings,
    stage: Stage,
    week: str | None,
    *,
    seconds: float,
    manifest: Manifest | None,
    newest: str | None,
    judgement: "Judgement | None",
) -> None:
    """Say how a run ended well: figures, the newest week that is published, and what was found in this one."""
    made = [*gauges.ended(settings, stage, week, now=time.time(), exit_code=0, seconds=seconds, reason="")]
    made += gauges.published(newest)
    if manifest:
        made += gauges.of_manifest(manifest)
    if stage != "feature":
        made += gauges.of_judgement(judgement, stage) if judgement else [Gauge("eventlog_judged", 0)]
    _push_or_warn(settings, stage, made)


def push_verdict(settings: Settings, reason: str, flags: Mapping[str, int], *, due: int, good: int) -> None:
    """Say how a whole workflow ended and why, and what deserves a look in its lake's newest weeks, zeros too."""
    made = gauges.ended(
        settings,
        "workflow",
        None,
        now=time.time(),
        exit_code=0 if settings.workflow_status == "Succeeded" else 1,
        seconds=settings.workflow_duration,
        reason=masked(reason)[:CAUSE],
    )
    _push_or_warn(settings, "workflow", [*made, *gauges.of_verdict(flags, due, good)])


def push_again(settings: Settings, stage: Stage, made: Iterable[Gauge]) -> None:
    """Push by hand what a manifest says; UsageError without a gateway, TemporaryError where it refuses."""
    _push(settings, stage, made)


def delete(settings: Settings) -> None:
    """Remove all groups of the settings' job from the gateway; errors as in `push_again`."""
    from prometheus_client import delete_from_gateway

    for part in (*STAGES, "workflow"):
        try:
            delete_from_gateway(_gateway(settings), settings.push_job, grouping_key={"stage": part}, timeout=_TIMEOUT)
        except (OSError, HTTPException, ValueError) as failure:
            raise _refused(settings, failure) from failure


def _push_or_warn(settings: Settings, stage: Part, made: Iterable[Gauge]) -> None:
    if not settings.pushgateway:
        return
    try:
        _push(settings, stage, made)
    except TemporaryError as failure:
        log.warning("metrics were not pushed", reason=str(failure))


def _push(settings: Settings, stage: Part, made: Iterable[Gauge]) -> None:
    from prometheus_client import CollectorRegistry, pushadd_to_gateway
    from prometheus_client import Gauge as Family

    gateway = _gateway(settings)
    registry = CollectorRegistry()
    families: dict[str, Family] = {}
    for name, value, labels in made:
        if name not in families:
            families[name] = Family(name, METRICS[name], sorted(labels), registry=registry)
        family = families[name].labels(**labels) if labels else families[name]
        family.set(value)
    try:
        pushadd_to_gateway(gateway, settings.push_job, registry, grouping_key={"stage": stage}, timeout=_TIMEOUT)
    except (OSError, HTTPException, ValueError) as failure:
        raise _refused(settings, failure) from failure


def _gateway(settings: Settings) -> str:
    if not settings.pushgateway:
        raise UsageError("EVENTLOG_PUSHGATEWAY is not set: there is no gateway to push to")
    return settings.pushgateway


def _refused(settings: Settings, failure: Exception) -> TemporaryError:
    gateway = masked(settings.pushgateway or "")
    return TemporaryError(f"the Pushgateway at {gateway} did not take metrics: {masked(str(failure))}")
