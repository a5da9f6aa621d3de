"""A plan for a workflow: said in log lines, left as the list that it fans out over."""

from typing import NamedTuple

import orjson
import structlog

from services.control.plan import Plan
from services.runtime.outputs import leave_outputs
from services.runtime.settings import Settings

log = structlog.get_logger()


class Item(NamedTuple):
    """One week of the fan-out."""

    week: str
    job: str
    """What its stages push their metrics under: alerts leave catch-ups and backfills alone."""


_BACKFILL = "-backfill"


def items(settings: Settings, found: Plan) -> list[Item]:
    """The weeks to run, oldest first; one that was asked for by name runs also where nothing changed, and says so."""
    weeks = found.run if found.week == "auto" else [found.week]
    if found.span:
        job = f"{settings.push_job.removesuffix(_BACKFILL)}{_BACKFILL}"
        return [Item(week, job) for week in weeks]
    return [Item(week, settings.job_of(week, found.newest)) for week in weeks]


def leave_plan(settings: Settings, found: Plan, *, dry_run: bool) -> None:
    """Say what was understood and why each week runs or not; write the list `weeks`, empty for a dry run."""
    asked = {"from": found.span.first, "to": found.span.last} if found.span else {"week": found.week}
    log.info("understood", source=found.source, lake=found.lake, **asked, force=found.force, dry_run=dry_run)
    planned = items(settings, found)
    due = {item.week for item in planned}
    for week in found.weeks:
        log.info("planned", week=week.week, run=week.week in due, ingest=week.ingest.reason, clean=week.clean.reason)
    weeks = [item.week for item in planned]
    log.info("weeks that would run" if dry_run else "weeks to run", weeks=weeks, feature=found.feature.reason)
    left = [] if dry_run else [item._asdict() for item in planned]
    leave_outputs(settings, {"weeks": orjson.dumps(left).decode()})
