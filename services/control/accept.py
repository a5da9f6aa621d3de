"""`eventlog accept`: a person says that what was found in a week is real growth, not a fault."""

from services.contracts.errors import NotReadyError, UsageError
from services.judgement.accepted import Accepted, accept, read_accepted
from services.judgement.judge import judge
from services.lake.store import Store
from services.lake.weeks import known_weeks
from services.runtime.settings import Settings


def accept_week(settings: Settings, lake: Store, reason: str) -> Accepted:
    """Record the week's findings as real: their alerts end, and the week counts as ordinary from now on.

    NotReadyError for a week that is not there, UsageError where there is nothing to accept or no reason.
    """
    week = settings.week
    if week == "auto":
        raise UsageError("--week: name the week to accept (YYYY-MM-DD); `eventlog status` shows what was found")
    if not reason.strip():
        raise UsageError("--reason: say why the week is as it should be, for whoever reads it in a year")
    if week not in known_weeks(lake):
        raise NotReadyError(f"{lake.url}: week {week} is not in this lake; `eventlog status` shows which are")
    found = judge(settings.limits(), lake, week).findings
    before = read_accepted(lake, week)
    if not found and before is None:
        raise UsageError(f"week {week} has no finding, there is nothing to accept; `eventlog status` shows all weeks")
    return accept(lake, week, reason.strip(), [finding.name for finding in found])
