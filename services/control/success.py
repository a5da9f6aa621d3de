"""The SLA of the data itself: which share of the weeks that were due within a year is published."""

import datetime as dt
from collections.abc import Collection
from typing import NamedTuple

_WEEK = dt.timedelta(weeks=1)
WEEKS = 52
_ABOUT = dt.timedelta(days=3)
"""A drop is still that week's a few days off."""


class Success(NamedTuple):
    """Weeks that were due, and those of them that are published."""

    due: int
    good: int


def success(known: Collection[str], published: Collection[str], now: dt.datetime, overdue_days: float) -> Success:
    """One drop is due every seven days, counted from the newest that is known back to the oldest, at most 52.

    A week that has not come is due as well, once it is overdue.
    """
    if not known:
        return Success(0, 0)
    dates = sorted(dt.date.fromisoformat(week) for week in known)
    good = {dt.date.fromisoformat(week) for week in published}
    end = dates[-1]
    overdue = now - dt.timedelta(days=overdue_days)
    missing = 0
    while _midnight(end) + missing * _WEEK <= overdue:
        missing += 1
    ends = [end - n * _WEEK for n in range(WEEKS) if end - n * _WEEK >= dates[0] - _ABOUT]
    # The newest weeks first: those that did not come take the places of the oldest.
    kept = ends[: max(WEEKS - missing, 0)]
    there = [any(abs(week - day) <= _ABOUT for week in good) for day in kept]
    # A week that is being worked on is not late yet.
    young = sum(not found and _midnight(day) > overdue for day, found in zip(kept, there, strict=True))
    return Success(due=min(len(ends) + missing, WEEKS) - young, good=sum(there))


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
