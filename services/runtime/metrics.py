"""What Prometheus learns of a run: the manifest's own figures, pushed; a gateway that fails harms nothing.

Everything is a gauge, pushed by POST under `job, stage`: a family that is not pushed keeps its last value, so
a failed run does not wipe the last success.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from http.client import HTTPException
from typing import Literal, NamedTuple

import structlog

from services.contracts.layout import Stage
from services.contracts.manifest import Manifest
from services.runtime.settings import Settings, masked
from services.runtime.stage import program_version

log = structlog.get_logger()

JOB = "eventlog"
_TIMEOUT = 5.0
"""Seconds; a push never delays a run by more."""


class Gauge(NamedTuple):
    """One sample; its family is the name without labels."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = {}


def push_start(settings: Settings, stage: Stage, week: str | None) -> None:
    """Say that a run began: one that is killed says nothing later."""
    _push(
        settings,
        stage,
        [
            Gauge("eventlog_run_start_timestamp_seconds", "When the last run began.", time.time()),
            Gauge("eventlog_attempt", "Which retry the last run is, from 0.", settings.attempt),
            Gauge("eventlog_run_info", "The last run.", 1, _info(settings, week)),
        ],
    )


def push_end(
    settings: Settings,
    stage: Stage,
    week: str | None,
    *,
    exit_code: int,
    seconds: float,
    manifest: Manifest | None = None,
) -> None:
    """Say how a run ended; the time of the last success only on success."""
    now = time.time()
    gauges = [
        Gauge("eventlog_last_completion_timestamp_seconds", "When the last run ended, well or not.", now),
        Gauge("eventlog_exit_code", "How the last run ended.", exit_code),
        Gauge("eventlog_duration_seconds", "Wall time of the last run.", seconds),
        Gauge("eventlog_run_info", "The last run.", 1, _info(settings, week)),
    ]
    if exit_code == 0:
        gauges.append(Gauge("eventlog_last_success_timestamp_seconds", "When the last good run ended.", now))
    gauges += [
        Gauge("eventlog_gate", "A gate that is set.", gate, {"figure": f}) for f, gate in settings.gates().items()
    ]
    _push(settings, stage, gauges + list(manifest_gauges(manifest) if manifest else ()))


def push_verdict(settings: Settings, flagged: Mapping[str, int]) -> None:
    """Say how the workflow as a whole ended, and how many flags each of its lake's newest weeks has, zeros too."""
    now, status = time.time(), settings.workflow_status
    gauges = [
        Gauge("eventlog_workflow_status", "How the last workflow ended.", float(status == known), {"status": known})
        for known in ("Succeeded", "Failed", "Error")
    ]
    gauges.append(Gauge("eventlog_last_completion_timestamp_seconds", "When the last run ended, well or not.", now))
    if status == "Succeeded":
        gauges.append(Gauge("eventlog_last_success_timestamp_seconds", "When the last good run ended.", now))
    gauges += [
        Gauge("eventlog_week_flags", "What deserves a look in a week.", count, {"week": week})
        for week, count in flagged.items()
    ]
    _push(settings, "workflow", [*gauges, Gauge("eventlog_run_info", "The last run.", 1, _info(settings, None))])


def manifest_gauges(manifest: Manifest) -> Iterator[Gauge]:
    """The figures of a manifest, under the names that they have there."""
    for name, rows in manifest.ledger.items():
        yield Gauge("eventlog_rows", "Rows by ledger term.", rows, {"term": name})
    yield Gauge("eventlog_generation", "Generation of what is published.", manifest.generation)
    yield Gauge("eventlog_output_bytes", "Bytes of all published files.", sum(o.bytes for o in manifest.outputs))
    yield Gauge("eventlog_peak_memory_bytes", "Peak memory of the run that published.", manifest.run.peak_memory_bytes)
    if manifest.drop:
        yield Gauge("eventlog_raw_bytes", "Bytes of the drop's source files.", manifest.drop.raw_bytes)
        if manifest.drop.raw_bytes_previous is not None:
            yield Gauge("eventlog_raw_bytes_previous", "The same of the drop before.", manifest.drop.raw_bytes_previous)
        yield Gauge("eventlog_skipped_files", "Bad files that were left out.", len(manifest.drop.skipped_files))
        for reason, rows in manifest.drop.quarantined.items():
            yield Gauge("eventlog_quarantined_rows", "Refused rows.", rows, {"reason": reason})
    if manifest.quality and manifest.quality.figures:
        for name, value in asdict(manifest.quality.figures).items():
            yield Gauge(f"eventlog_{name}", "See the data contract.", value)


def _info(settings: Settings, week: str | None) -> dict[str, str]:
    return {"week": week or "", "run_id": settings.run_id, "version": program_version()}


def _push(settings: Settings, stage: Stage | Literal["workflow"], gauges: list[Gauge]) -> None:
    if not settings.pushgateway:
        return
    from prometheus_client import CollectorRegistry, pushadd_to_gateway
    from prometheus_client import Gauge as Family

    registry = CollectorRegistry()
    families: dict[str, Family] = {}
    for name, meaning, value, labels in gauges:
        if name not in families:
            families[name] = Family(name, meaning, sorted(labels), registry=registry)
        family = families[name].labels(**labels) if labels else families[name]
        family.set(value)
    try:
        pushadd_to_gateway(settings.pushgateway, JOB, registry, grouping_key={"stage": stage}, timeout=_TIMEOUT)
    except (OSError, HTTPException, ValueError) as failure:
        log.warning("metrics were not pushed", gateway=masked(settings.pushgateway), reason=masked(str(failure)))
