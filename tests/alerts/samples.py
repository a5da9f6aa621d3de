"""What a gateway holds after an ordinary run, made by the very functions that push; tests change single samples of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.contracts.manifest import Input, Manifest, Output, Run, Window
from services.judgement.judge import judged
from services.judgement.limits import Limits
from services.judgement.week import WeekFacts
from services.runtime import gauges
from services.runtime.gauges import Gauge, Part
from services.runtime.settings import Settings
from tests.weeks import facts

STAGES: tuple[Part, ...] = ("ingest", "clean", "feature")

Series = dict[str, float]
"""Value by name and labels, as PromQL spells them."""


def series(job: str, stage: Part, made: Iterable[Gauge]) -> Series:
    """Samples as Prometheus has them under `honor_labels`."""
    found: Series = {}
    for gauge in made:
        labels = {"job": job, "stage": stage, **gauge.labels}
        inside = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items() if value)
        found[f"{gauge.name}{{{inside}}}"] = gauge.value
    return found


def ordinary(
    week: WeekFacts | None = None,
    past: Iterable[WeekFacts] = (),
    *,
    job: str = "eventlog",
    begun: float = 0.0,
    seconds: Mapping[str, float] | None = None,
    settings: Settings | None = None,
) -> Series:
    """All groups of a job after a good run over a week, begun at this Unix time; seconds: how long each part took."""
    now = week or facts("1970-01-01")
    chosen = settings or Settings(run_id=f"run-{now.week}", push_job=job, workflow_status="Succeeded")
    took = {"ingest": 60.0, "clean": 240.0, "feature": 90.0, "workflow": 500.0, **(seconds or {})}
    judgement = judged([*past, now], Limits())[now.week]
    found: Series = {}
    for stage in STAGES:
        about = None if stage == "feature" else now.week
        made = list(gauges.started(chosen, stage, about, begun))
        made += ended(chosen, stage, about, begun, took[stage])
        made += gauges.of_manifest(manifest(stage, now, took[stage]))
        made += gauges.published(now.week)
        if stage != "feature":
            made += gauges.of_judgement(judgement, stage)
        found |= series(job, stage, _newest(made))
    made = list(gauges.started(chosen, "workflow", None, begun))
    made += ended(chosen, "workflow", None, begun, took["workflow"])
    made += gauges.of_verdict({now.week: len(judgement.findings)}, 10, 10)
    return found | series(job, "workflow", _newest(made))


def ended(settings: Settings, part: Part, week: str | None, begun: float, seconds: float) -> list[Gauge]:
    return list(gauges.ended(settings, part, week, now=begun + seconds, exit_code=0, seconds=seconds, reason=""))


def manifest(stage: str, week: WeekFacts, seconds: float) -> Manifest:
    """A manifest that says these facts."""
    assert week.quality
    counts = week.quality.counts
    ledgers = {
        "ingest": {"source_rows": week.source_rows, "raw_rows": counts.raw_rows},
        "clean": {"raw_rows": counts.raw_rows, "clean_rows": counts.clean_rows, "resends": counts.resends},
        "feature": {"clean_rows": counts.clean_rows, "error_events": counts.errors},
    }
    run = Run("run", "0.1.0", 0, "", "", {"total": seconds}, seconds * 2, 800 * 2**20)
    return Manifest(
        stage=stage,
        week=None if stage == "feature" else week.week,
        contract=1,
        generation=1,
        fingerprint="",
        inputs=(Input("a", "1", counts.raw_rows),),
        outputs=(Output("b", "2", "", counts.clean_rows, 50_000_000),),
        ledger=ledgers[stage],
        run=run,
        quality=week.quality if stage == "clean" else None,
        drop=week.drop if stage == "ingest" else None,
        window=Window((week.week,), week.week, 2_000) if stage == "feature" else None,
    )


def _newest(made: Iterable[Gauge]) -> list[Gauge]:
    """Start and end say some of the same metrics; the end holds."""
    return list({(g.name, tuple(sorted(g.labels.items()))): g for g in made}.values())


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
