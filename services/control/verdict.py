"""The last word on a workflow, from its exit handler: how it ended, which steps failed and why, which weeks to look at.

Notifying people is the alerts' business; they read what is pushed here.
"""

from typing import Any

import orjson
import structlog

from services.contracts.errors import PipelineError, UsageError
from services.control.status import data_flags, gate_flags
from services.control.weeks import known_weeks, read_week
from services.lake.store import open_store
from services.runtime.metrics import push_verdict
from services.runtime.settings import Settings

log = structlog.get_logger()


def verdict(settings: Settings) -> None:
    """Log and push it; UsageError where no workflow is there to be judged."""
    if settings.workflow_status is None:
        raise UsageError("EVENTLOG_WORKFLOW_STATUS is not set: the verdict is for a workflow's exit handler")
    flags = _flags(settings)
    log.info(
        "verdict",
        run_id=settings.run_id,
        status=settings.workflow_status,
        failures=failed_steps(settings.workflow_failures),
        flagged={week: said for week, said in flags.items() if said},
    )
    push_verdict(settings, {week: len(said) for week, said in flags.items()})


def failed_steps(failures: str | None) -> list[dict[str, Any]]:
    """Step and message of what failed; the text as it is where Argo's quoting made it something else than JSON."""
    try:
        found = orjson.loads(failures or "null")
        if isinstance(found, str):  # Argo puts the list, itself in quotes, between quotes
            found = orjson.loads(found)
        return [{"step": node["displayName"], "message": node.get("message", "")} for node in found or []]
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        return [{"step": "", "message": failures}]


def _flags(settings: Settings) -> dict[str, list[str]]:
    """What deserves a look in each week that the features cover; a store in trouble is no reason for silence."""
    try:
        lake = open_store(settings.lake)
        weeks = [read_week(lake, week) for week in known_weeks(lake)[-settings.feature_weeks :]]
    except PipelineError as refused:
        log.warning("the weeks could not be judged", reason=str(refused))
        return {}
    return {week.week: data_flags(week) + gate_flags(settings, week) for week in weeks}
