"""The last word on a workflow, from its exit handler: how it ended, which steps failed and why, which weeks to look at.

Notifying people is the alerts' business; they read what is pushed here.
"""

import datetime as dt
from typing import Any

import orjson
import structlog

from services.contracts.errors import PipelineError, UsageError
from services.control.status import gate_flags
from services.control.success import WEEKS, Success, success
from services.judgement.judge import judge_all
from services.lake.store import open_store
from services.lake.weeks import read_week
from services.runtime.metrics import push_verdict
from services.runtime.settings import Settings

log = structlog.get_logger()


def verdict(settings: Settings) -> None:
    """Log and push it; UsageError where no workflow is there to be judged."""
    if settings.workflow_status is None:
        raise UsageError("EVENTLOG_WORKFLOW_STATUS is not set: the verdict is for a workflow's exit handler")
    failures = failed_steps(settings.workflow_failures)
    flags, done = _look_at_weeks(settings)
    log.info(
        "verdict",
        run_id=settings.run_id,
        status=settings.workflow_status,
        failures=failures,
        flagged={week: said for week, said in flags.items() if said},
        due_weeks=done.due,
        good_weeks=done.good,
    )
    reason = "; ".join(f"{step['step']}: {step['message']}".strip(": ") for step in failures)
    push_verdict(settings, reason, {week: len(said) for week, said in flags.items()}, due=done.due, good=done.good)


def failed_steps(failures: str | None) -> list[dict[str, Any]]:
    """Step and message of what failed; the text as it is where Argo's quoting made it something else than JSON."""
    try:
        found = orjson.loads(failures or "null")
        if isinstance(found, str):  # Argo puts the list, itself in quotes, between quotes
            found = orjson.loads(found)
        return [{"step": node["displayName"], "message": node.get("message", "")} for node in found or []]
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        return [{"step": "", "message": failures}]


def _look_at_weeks(settings: Settings) -> tuple[dict[str, list[str]], Success]:
    """What deserves a look in each of the newest weeks, and how many of the weeks that were due are published.

    A store in trouble is no reason for silence.
    """
    try:
        lake = open_store(settings.lake)
        judgements = judge_all(settings.limits(), lake)
        weeks = [read_week(lake, week) for week in list(judgements)[-WEEKS:]]
    except PipelineError as refused:
        log.warning("the weeks could not be judged", reason=str(refused))
        return {}, Success(0, 0)
    flags = {
        week.week: [finding.sentence for finding in judgements[week.week].findings] + gate_flags(settings, week)
        for week in weeks
    }
    published = [week.week for week in weeks if week.clean]
    return flags, success(list(judgements), published, dt.datetime.now(dt.UTC), settings.alert_overdue_days)
