"""The commands that run stages: each stage as a function of the week, imported when it runs."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from services.cli.command import Call
from services.contracts.errors import NotReadyError
from services.contracts.layout import STAGES, Stage
from services.lake.publish import Outcome
from services.lake.store import Store, open_store
from services.runtime.settings import Settings

if TYPE_CHECKING:
    from services.control.erase import Work


def run_stages(call: Call, stages: Sequence[Stage]) -> int:
    """Run some stages over the weeks that the settings name, and show how it went; the exit code."""
    from services.control import summary
    from services.control.report.publish import publish_after_run
    from services.control.run import run_weeks
    from services.control.terminal import emit, emit_json
    from services.lake.weeks import known_weeks

    settings = call.settings
    source = open_store(settings.source) if "ingest" in stages else None
    lake = open_store(settings.lake, create="ingest" in stages)
    jobs = _jobs(settings, source, lake)
    weeks = _weeks(settings, source, lake, stages)
    result = run_weeks(
        settings,
        weeks,
        max([*weeks, *known_weeks(lake)], default=""),
        {stage: jobs[stage] for stage in stages if stage != "feature"},
        jobs["feature"] if "feature" in stages else None,
        verbose=call.verbose,
    )
    if stages == STAGES:
        publish_after_run(settings, lake)
    emit_json(result.to_json()) if call.as_json else emit(*summary.show(result, lake))
    return result.exit_code


def _weeks(settings: Settings, source: Store | None, lake: Store, stages: Sequence[Stage]) -> list[str]:
    from services.control.plan import drops
    from services.control.weeks import ingested_weeks

    if source:
        return drops(settings, source)
    if "clean" not in stages:
        return []
    if settings.week != "auto":
        return [settings.week]
    weeks = ingested_weeks(lake)
    if not weeks:
        raise NotReadyError(f"{lake.url}: nothing was ingested yet; run ingest first")
    return weeks


def _jobs(settings: Settings, source: Store | None, lake: Store) -> dict[Stage, Callable[[str | None], Outcome]]:
    """Each stage as a function of the week; a stage is imported when it runs."""

    def run_ingest(week: str | None) -> Outcome:
        from services.ingest.job import ingest

        assert source
        assert week
        return ingest(settings, source, lake, week)

    def run_clean(week: str | None) -> Outcome:
        from services.clean.job import clean

        assert week
        return clean(settings, lake, week)

    def run_feature(_: str | None) -> Outcome:
        from services.feature.job import feature

        return feature(settings, lake)

    return {"ingest": run_ingest, "clean": run_clean, "feature": run_feature}


def erasure_stages(settings: Settings, lake: Store) -> "Work":
    """The stages as an erasure runs them: under the settings of what is published, so that nothing else changes."""
    from services.control.erase import Work
    from services.control.weeks import published_window
    from services.lake.publish import read_manifest

    def run_rewrite(week: str | None) -> Outcome:
        from services.ingest.rewrite import rewrite

        assert week
        return rewrite(settings, lake, week)

    def run_ingest(week: str | None) -> Outcome:
        return _jobs(settings, open_store(settings.source), lake)["ingest"](week)

    def run_clean(week: str | None) -> Outcome:
        made = read_manifest(lake, "clean", week)
        return _jobs(settings.as_published(made.run.settings if made else {}), None, lake)["clean"](week)

    def run_feature(_: str | None) -> Outcome:
        weeks = published_window(lake, settings.feature_weeks)
        return _jobs(settings.model_copy(update={"feature_weeks": weeks}), None, lake)["feature"](None)

    return Work(run_rewrite, run_ingest, run_clean, run_feature)
