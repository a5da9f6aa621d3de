"""Weeks in, judgements out: read the manifests of a lake, then judge the weeks in their order."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.contracts.layout import Stage
from services.judgement.accepted import read_accepted
from services.judgement.history import WEEKS, Value
from services.judgement.limits import Limits
from services.judgement.rules import Finding, Past, findings, learning
from services.judgement.week import WeekFacts
from services.lake.publish import read_manifest
from services.lake.store import Store
from services.lake.weeks import known_weeks, read_week

_WEEKS_READ = 52
"""A week's history are the newest ordinary weeks before it; what lies a year back decides nothing any more."""


@dataclass(frozen=True)
class Judgement:
    """What is to be said of a week."""

    week: str
    findings: tuple[Finding, ...]
    """Without those that were accepted."""
    learning: bool
    """Some figure has too short a history to be judged by it."""
    accepted: str | None
    """The reason given to `eventlog accept`."""


def judge(limits: Limits, lake: Store, week: str) -> Judgement:
    """One week, against those before it; a week that is not published has no findings."""
    names = [known for known in known_weeks(lake) if known < week][-_WEEKS_READ:]
    return judged([read_facts(lake, name) for name in (*names, week)], limits)[week]


def judge_all(limits: Limits, lake: Store) -> dict[str, Judgement]:
    """Every week of a lake, oldest first."""
    return judged([read_facts(lake, name) for name in known_weeks(lake)], limits)


def newest_week(lake: Store, stage: Stage) -> str | None:
    """The newest week that ingest or clean has published."""
    return next((week for week in reversed(known_weeks(lake)) if read_manifest(lake, stage, week)), None)


def read_facts(lake: Store, week: str) -> WeekFacts:
    """What a lake's manifests, and whoever accepted it, say of a week."""
    found = read_week(lake, week)
    return WeekFacts.of(week, found.ingest, found.clean, read_accepted(lake, week))


def judged(weeks: Iterable[WeekFacts], limits: Limits) -> dict[str, Judgement]:
    """Each week against the ordinary ones before it, oldest first, whatever order they come in.

    A figure that is found stays out of its own history, unless it was accepted.
    """
    past = Past({}, {})
    judgements: dict[str, Judgement] = {}
    for now in sorted(weeks, key=lambda facts: facts.week):
        found = list(findings(now, past, limits))
        accepted = set(now.accepted.findings) if now.accepted else set()
        judgements[now.week] = Judgement(
            week=now.week,
            findings=tuple(finding for finding in found if finding.name not in accepted),
            learning=learning(now, past),
            accepted=now.accepted.reason if now.accepted else None,
        )
        past = _with(past, now, found, accepted)
    return judgements


def _with(past: Past, now: WeekFacts, found: list[Finding], accepted: set[str]) -> Past:
    """The past as the next week has it."""
    flagged = {finding.figure for finding in found if finding.name not in accepted}
    real = {finding.figure for finding in found if finding.name in accepted}
    figures = now.figures()
    ordinary = {figure: value for figure, value in figures.items() if figure not in flagged}
    previous = {**{figure: now for figure in figures if figure not in past.previous}, **past.previous}
    previous |= dict.fromkeys(ordinary, now)
    values = {
        figure: (
            *past.values.get(figure, ()),
            *([Value(ordinary[figure], figure in real)] if figure in ordinary else ()),
        )
        for figure in past.values.keys() | ordinary.keys()
    }
    return Past(previous, {figure: kept[-WEEKS:] for figure, kept in values.items()})
