"""One stage over one week, from its first log line to the one that sums it up."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import structlog

from services.contracts.errors import PipelineError
from services.contracts.layout import Stage
from services.contracts.manifest import Manifest
from services.runtime.metrics import push_failure, push_start, push_success
from services.runtime.outputs import leave_outputs, stage_outputs
from services.runtime.settings import Settings
from services.runtime.stage import explain, program_version

if TYPE_CHECKING:
    from services.judgement.judge import Judgement
    from services.lake.publish import Outcome  # pyarrow takes longer to import than all the rest

log = structlog.get_logger()


@dataclass(frozen=True)
class StageResult:
    """How a stage went for a week."""

    stage: Stage
    week: str | None
    outcome: Literal["published", "unchanged", "superseded", "failed", "skipped"]
    reason: str
    exit_code: int
    seconds: float
    manifest: Manifest | None = None
    """What is published now; None where nothing is known to be."""

    def to_json(self) -> dict[str, Any]:
        """The result for machines: of the manifest only what fits on a line."""
        said: dict[str, Any] = {
            "stage": self.stage,
            "week": self.week,
            "outcome": self.outcome,
            "reason": self.reason,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
        }
        if self.manifest:
            said |= {"generation": self.manifest.generation, "ledger": self.manifest.ledger}
            if self.manifest.drop:
                said |= {"quarantined": self.manifest.drop.quarantined}
                said |= {"skipped_files": self.manifest.drop.skipped_files}
            if self.manifest.quality and self.manifest.quality.figures:
                said |= {"figures": asdict(self.manifest.quality.figures)}
        return said


def run_stage(settings: Settings, stage: Stage, week: str | None, work: Callable[[], "Outcome"]) -> StageResult:
    """Run a stage with its metrics pushed and one log line at the end.

    Its name stays on the log lines that follow, so that a failure is reported under it too.
    """
    began = time.monotonic()
    structlog.contextvars.bind_contextvars(stage=stage, week=week, run_id=settings.run_id)
    log.info("started", attempt=settings.attempt, version=program_version())
    push_start(settings, stage, week)
    try:
        leave_outputs(settings, stage_outputs(None))  # Argo wants every one of them, also of a run that fails
        outcome = work()
    except BaseException as error:
        failure = explain(error)
        push_failure(
            settings,
            stage,
            week,
            exit_code=failure.exit_code,
            seconds=time.monotonic() - began,
            # What another library says in its own words may hold what no label is to hold.
            reason=failure.sentence if failure.exit_code != 1 else f"unexpected {type(error).__name__}; see the log",
        )
        raise
    seconds = time.monotonic() - began
    newest, judgement = _look_back(settings, stage, week, outcome.manifest)
    push_success(
        settings,
        stage,
        week,
        seconds=seconds,
        manifest=outcome.manifest,
        newest=newest,
        judgement=judgement,
    )
    leave_outputs(settings, stage_outputs(outcome.manifest))
    _sum_up(outcome, seconds)
    return StageResult(stage, week, outcome.kind, outcome.reason, 0, seconds, outcome.manifest)


def _look_back(
    settings: Settings, stage: Stage, week: str | None, manifest: Manifest | None
) -> tuple[str | None, "Judgement | None"]:
    """The newest week that the stage has published, and what is to be said of this one; each finding is logged.

    What is published stays published: a lake that cannot be read any more is a warning, and a metric.
    """
    if week is None:
        return manifest.window.as_of_week if manifest and manifest.window else None, None
    from services.judgement.judge import judge, newest_week
    from services.lake.store import open_store

    try:
        lake = open_store(settings.lake)
        newest, judgement = newest_week(lake, stage), judge(settings.limits(), lake, week)
    except PipelineError as refused:
        log.warning("the week could not be judged", reason=str(refused))
        return None, None
    for finding in judgement.findings:
        if finding.stage == stage:
            log.warning("finding", rule=finding.rule, figure=finding.figure, sentence=finding.sentence)
    return newest, judgement


def _sum_up(outcome: "Outcome", seconds: float) -> None:
    manifest = outcome.manifest
    facts: dict[str, Any] = {"seconds": round(seconds, 2)}
    if manifest:
        facts |= {**manifest.ledger, "files": len(manifest.outputs)}
    if manifest and outcome.kind == "published":
        facts |= {"cpu_seconds": manifest.run.cpu_seconds, "peak_memory_mb": manifest.run.peak_memory_bytes // 2**20}
    log.info(outcome.kind, reason=outcome.reason, **facts)
