"""The order of a run: each week through its stages, oldest first, then the features, whatever became of one week."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from services.contracts.errors import InterruptedRun, worst
from services.contracts.layout import Stage
from services.lake.publish import Outcome
from services.runtime.outcome import StageResult, run_stage
from services.runtime.settings import Settings
from services.runtime.stage import explain, report_failure

StageWork = Callable[[str | None], Outcome]
"""Runs a stage for a week; for None, over all of them."""


@dataclass(frozen=True)
class RunResult:
    """How a run over weeks and stages went, in the order in which it went."""

    source: str
    lake: str
    results: tuple[StageResult, ...]

    @property
    def exit_code(self) -> int:
        """The worst one wins."""
        return worst([result.exit_code for result in self.results])

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "lake": self.lake,
            "exit_code": self.exit_code,
            "results": [result.to_json() for result in self.results],
        }


def run_weeks(
    settings: Settings,
    weeks: Sequence[str],
    newest: str,
    stages: Mapping[Stage, StageWork],
    feature: StageWork | None = None,
    *,
    verbose: bool = False,
) -> RunResult:
    """Run the stages for each week, then feature once; an interruption alone stops everything.

    `newest`: the newest week of these and of the lake's.
    """
    results: list[StageResult] = []
    good = not weeks
    for week in weeks:
        mine = settings.model_copy(update={"push_job": settings.job_of(week, newest)})
        failed: Stage | None = None
        for stage, work in stages.items():
            if failed:
                results.append(StageResult(stage, week, "skipped", f"{failed} failed", 0, 0.0))
                continue
            result = attempt(mine, stage, week, work, verbose=verbose)
            failed = stage if result.exit_code else None
            results.append(result)
        good = good or failed is None
    if feature and good:
        results.append(attempt(settings, "feature", None, feature, verbose=verbose))
    elif feature:
        results.append(StageResult("feature", None, "skipped", "no week came through", 0, 0.0))
    structlog.contextvars.clear_contextvars()
    return RunResult(settings.source, settings.lake, tuple(results))


def attempt(settings: Settings, stage: Stage, week: str | None, work: StageWork, *, verbose: bool) -> StageResult:
    """Run one stage for one week; a failure is said and becomes a result, only an interruption goes on up."""
    try:
        return run_stage(settings, stage, week, partial(work, week))
    except (InterruptedRun, KeyboardInterrupt):
        raise
    except Exception as error:  # noqa: BLE001  (one bad week does not stop the others)
        code = report_failure(error, verbose=verbose, last_words=settings.termination_log)
        return StageResult(stage, week, "failed", explain(error).sentence, code, 0.0)
