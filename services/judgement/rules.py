"""The rules: which figure, against what, how grave; and the sentence that a person reads.

A figure is found at most once in a week, by the first rule that it breaks: one cause, one call.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from services.contracts.layout import Stage
from services.judgement.causes import Cause, cause_text, causes
from services.judgement.history import Expected, Value, expected
from services.judgement.limits import Limits
from services.judgement.week import RATIOS, WeekFacts

Severity = Literal["warning", "critical"]
Against = Literal["limit", "history", "previous"]


class Rule(NamedTuple):
    """One thing that can be wrong."""

    name: str
    figure: str
    stage: Stage
    """Whose run measures it, and says so."""
    against: Against
    severity: Severity
    limit: Callable[[Limits], float]
    """The figure's maximum; against `previous` the largest change, as a share; against `history` the deviations."""


def _unusual(figure: str, stage: Stage) -> Rule:
    return Rule("unusual", figure, stage, "history", "warning", lambda limits: limits.deviations)


RULES: tuple[Rule, ...] = (
    Rule("raw_size", "raw_bytes", "ingest", "previous", "critical", lambda x: x.raw_bytes_change),
    Rule("skipped_files", "skipped_files", "ingest", "limit", "critical", lambda _: 0),
    Rule("quarantine", "quarantined_ratio", "ingest", "limit", "warning", lambda x: x.quarantined_ratio),
    Rule("duplicates", "duplicate_ratio", "clean", "limit", "critical", lambda x: x.duplicate_ratio),
    Rule("invalid_times", "invalid_timestamp_ratio", "clean", "limit", "critical", lambda x: x.invalid_timestamp_ratio),
    Rule("missing_times", "missing_timestamp_ratio", "clean", "limit", "warning", lambda x: x.missing_timestamp_ratio),
    Rule("unparsable_ev", "ev_unparsable_ratio", "clean", "limit", "critical", lambda x: x.ev_unparsable_ratio),
    Rule(
        "event_id_conflicts", "event_id_conflict_ratio", "clean", "limit", "warning",
        lambda x: x.event_id_conflict_ratio,
    ),
    Rule("error_jump", "error_ratio", "clean", "previous", "warning", lambda x: x.error_ratio_change),
    _unusual("raw_bytes", "ingest"),
    _unusual("quarantined_ratio", "ingest"),
    *(_unusual(figure, "clean") for figure in RATIOS),
)  # fmt: skip

_FALLS = ("raw_bytes",)
"""Figures that can be too low as well; valid_timestamp_coverage only can be that."""
_FOLLOWS = {
    "valid_timestamp_coverage": {"invalid_timestamp_ratio", "missing_timestamp_ratio", "ev_unparsable_ratio"},
    "missing_event_id_ratio": {"ev_unparsable_ratio"},
    "missing_timestamp_ratio": {"ev_unparsable_ratio"},
}
"""Figures whose history is not asked where one of these was found: they count the same rows."""
_LEAST_JUMP = 0.01
"""Rows per row by which error_ratio must rise as well: of next to nothing everything is a multiple."""
_MOVED = 0.1
"""Change, as a share of the value, below which it is not the change that is to be explained."""


@dataclass(frozen=True)
class Finding:
    """A rule that a week breaks."""

    rule: str
    figure: str
    severity: Severity
    value: float
    limit: float
    """What the value is beyond, in the figure's own unit."""
    against: Against
    sentence: str
    """Names the week, the figure and the largest causes."""
    causes: tuple[Cause, ...]
    cause: str = ""
    """The largest causes in words; empty where none stands out."""
    stage: Stage = "clean"

    @property
    def name(self) -> str:
        """Rule and figure: what `eventlog accept` records."""
        return f"{self.rule}:{self.figure}"


class Past(NamedTuple):
    """What a week is compared with; weeks in which the figure was found are left out of its own past."""

    previous: Mapping[str, WeekFacts]
    """By figure: the newest ordinary week that has it."""
    values: Mapping[str, Sequence[Value]]
    """By figure: its values in ordinary weeks, oldest first."""


class _Bound(NamedTuple):
    limit: float
    words: str


def findings(now: WeekFacts, past: Past, limits: Limits) -> Iterator[Finding]:
    """Every figure of the week that breaks a rule."""
    figures = now.figures()
    found: set[str] = set()
    for rule in RULES:
        if rule.figure in found or rule.figure not in figures:
            continue
        if rule.against == "history" and found & _FOLLOWS.get(rule.figure, set()):
            continue
        bound = _broken(rule, figures[rule.figure], past, limits)
        if bound:
            found.add(rule.figure)
            yield _finding(rule, now, past.previous.get(rule.figure), bound)


def learning(now: WeekFacts, past: Past) -> bool:
    """Whether a figure of this week has too short a history to be judged by it."""
    judged = [rule.figure for rule in RULES if rule.against == "history"]
    return any(
        expected(past.values.get(figure, ()), deviations=1, ratio=False) is None
        for figure in judged
        if figure in now.figures()
    )


def _broken(rule: Rule, value: float, past: Past, limits: Limits) -> _Bound | None:
    limit = rule.limit(limits)
    match rule.against:
        case "limit":
            return _Bound(limit, f"above its limit of {spelt(rule.figure, limit)}") if value > limit else None
        case "previous":
            before = past.previous.get(rule.figure)
            return _against_previous(rule.figure, value, before.figures()[rule.figure], limit) if before else None
        case "history":
            values = past.values.get(rule.figure, ())
            usual = expected(values, deviations=limit, ratio=rule.figure != "raw_bytes")
            return _against_history(rule.figure, value, usual) if usual else None


def _against_previous(figure: str, value: float, before: float, share: float) -> _Bound | None:
    high, low = before * (1 + share), before * (1 - share)
    by = f"{100 * abs(value / before - 1):.0f} %" if before else "any"
    if figure in _FALLS and value < low:
        return _Bound(
            low, f"{by} less than the {spelt(figure, before)} before, at most {100 * share:.0f} % are ordinary"
        )
    if value > high and (figure in _FALLS or value - before > _LEAST_JUMP):
        return _Bound(
            high, f"{by} more than the {spelt(figure, before)} before, at most {100 * share:.0f} % are ordinary"
        )
    return None


def _against_history(figure: str, value: float, usual: Expected) -> _Bound | None:
    of = f"that the last {usual.weeks} ordinary weeks let expect (median {spelt(figure, usual.median)})"
    low = figure in (*_FALLS, "valid_timestamp_coverage")
    if low and value < usual.low:
        return _Bound(usual.low, f"below the {spelt(figure, usual.low)} {of}")
    if figure != "valid_timestamp_coverage" and value > usual.high:
        return _Bound(usual.high, f"above the {spelt(figure, usual.high)} {of}")
    return None


def _finding(rule: Rule, now: WeekFacts, before: WeekFacts | None, bound: _Bound) -> Finding:
    value = now.figures()[rule.figure]
    change = value - before.figures()[rule.figure] if before else 0.0
    # A limit that was lowered finds a figure that hardly moved: then what it is made of counts, not the change.
    moved = abs(change) > _MOVED * abs(value) and (change > 0) == (value > bound.limit)
    why = causes(rule.figure, now, before if moved else None)
    text = cause_text(why, ("rise" if change > 0 else "fall") if moved else None)
    said = f"week {now.week}: {rule.figure} is {spelt(rule.figure, value)}, {bound.words}"
    return Finding(
        rule=rule.name,
        figure=rule.figure,
        severity=rule.severity,
        value=value,
        limit=bound.limit,
        against=rule.against,
        sentence=f"{said}; {text}" if text else said,
        causes=why,
        cause=text,
        stage=rule.stage,
    )


def spelt(figure: str, value: float) -> str:
    """A figure's value for people."""
    match figure:
        case "raw_bytes":
            return f"{value / 1e6:,.1f} MB"
        case "skipped_files":
            return f"{value:.0f}"
        case _:
            return f"{100 * value:.3g} %"
