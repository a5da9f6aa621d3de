"""Planted cases about when an event happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from services.sample.draft import CANDIDATES, Draft, Rule
from services.sample.draws import Pick
from services.sample.forms import FORMS
from services.sample.spelling import DAY, ODD_BLANKS, SECOND, WHITE_SPACE, at, micros

FAULTY_YEARS = (1601, 1970, 1980, 2000, 2004, 2016, 2099, 3001)
"""Where a notebook's clock stands after a dead battery, a bad driver or a wrong conversion; seen in the field."""

BEFORE, AFTER = 400 * DAY, 8 * DAY
"""The plausibility window around the week's first µs, both ends included."""

_BLANKS = (None, "", *WHITE_SPACE, "  \t ")
_NOT_TIMES: tuple[Any, ...] = (0, [], False, True, {}, "-", "null", "0", 0.5, [1715162400], *ODD_BLANKS)


def form_rules() -> dict[str, Rule]:
    rare = 1 / len(FORMS)
    return {
        name: Rule(form.meaning, _valid_form(form.valid), _near_form(form.near), 0.03 * rare, 0.002 * rare)
        for name, form in FORMS.items()
    }


def clock_fault(draft: Draft, pick: Pick) -> None:
    """The first one, two, three or all four candidates tell the same wrong year."""
    depth = pick.of((1, 1, 1, 1, 1, 2, 2, 3, 4))
    # Nanoseconds reach from 1677 to 2262, so not every year can stand in eventdate.
    years = FAULTY_YEARS if depth < 4 else FAULTY_YEARS[1:-1]
    wrong = micros(datetime(pick.of(years), 1, 1, tzinfo=UTC)) + pick.below(DAY // 1_000) * 1_000
    _tell_all(draft, CANDIDATES[:depth], wrong)
    _fall_back(draft, depth)


def odd_but_possible(draft: Draft, pick: Pick) -> None:
    """A clock that is off by months, yet inside the window."""
    odd = draft.week - BEFORE + pick.below((BEFORE - 50 * DAY) // 1_000) * 1_000
    draft.put("TimeStamp", _iso(odd))
    draft.expect_time("TimeStamp", "ok", odd)


def outside_window(draft: Draft, pick: Pick) -> None:
    beyond = pick.of((1, 1, 1, SECOND, DAY))
    outside = pick.of((draft.week - BEFORE - beyond, draft.week + AFTER + beyond))
    depth = pick.of((1, 1, 2, 3, 4))
    _tell_all(draft, CANDIDATES[:depth], outside)
    _fall_back(draft, depth)


def inside_window(draft: Draft, pick: Pick) -> None:
    within = pick.of((0, 0, 1, SECOND))
    inside = pick.of((draft.week - BEFORE + within, draft.week + AFTER - within))
    candidate = _only_from(draft, pick.below(4))
    _tell_all(draft, (candidate,), inside)
    draft.expect_time(candidate, "ok", inside)


def blank_timestamp(draft: Draft, pick: Pick) -> None:
    """Not there, null or blank: not present, so that the next candidate is the first."""
    depth = pick.of((1, 1, 1, 2, 3))
    for candidate in CANDIDATES[:depth]:
        blank = pick.of(_BLANKS)
        if pick.below(3) == 0:
            draft.drop(candidate)
        else:
            draft.put(candidate, blank)
    draft.expect(CANDIDATES[depth])


def unusable_timestamp(draft: Draft, pick: Pick) -> None:
    """Present and no time: the next candidate is a fallback."""
    draft.put("TimeStamp", pick.of(_NOT_TIMES))
    draft.expect("LogTime", "fallback")
    if pick.below(4) == 0:
        draft.put("LogTime", pick.of(_NOT_TIMES))
        draft.expect("ts", "fallback")


def no_timestamp(draft: Draft, pick: Pick) -> None:
    for candidate in CANDIDATES[:3]:
        draft.drop(candidate)
        if pick.below(2):
            draft.put(candidate, pick.of(_BLANKS))
    draft.drop("eventdate")
    draft.expect_no_time("missing")


def only_unusable_timestamps(draft: Draft, pick: Pick) -> None:
    """One candidate is present, though it is no time: invalid, not missing."""
    no_timestamp(draft, pick)
    match pick.below(4):
        case 0:
            draft.put("ts", pick.of(("0", "false", "-", "n/a")))
        case 1:
            draft.put("eventdate", pick.of((0, -1, draft.times["ts"] // SECOND, draft.times["ts"])))
        case at_candidate:
            draft.put(CANDIDATES[at_candidate - 2], pick.of(_NOT_TIMES))
    draft.expect_no_time("invalid")


def only_eventdate(draft: Draft, pick: Pick) -> None:
    """Always nanoseconds; below µs floored."""
    _only_from(draft, 3)
    draft.put("eventdate", draft.times["eventdate"] * 1_000 + pick.below(1_000))
    draft.expect("eventdate")


def eventdate_in_another_unit(draft: Draft, pick: Pick) -> None:
    """Seconds, ms or µs, which read as nanoseconds are 1970."""
    _only_from(draft, 3)
    draft.put("eventdate", draft.times["eventdate"] // pick.of((1, 1_000, SECOND)))
    draft.expect_no_time("invalid")


def _valid_form(forms: Sequence[Callable[[datetime], tuple[Any, int]]]) -> Callable[[Draft, Pick], None]:
    def plant(draft: Draft, pick: Pick) -> None:
        # A µs that is not zero, so that a form which loses it shows.
        value, stands_for = pick.of(forms)(at(draft.times["TimeStamp"] + pick.below(1_000)))
        candidate = _candidate_for(draft, value, pick)
        draft.put(candidate, value)
        draft.expect_time(candidate, "ok", stands_for)

    return plant


def _near_form(forms: Sequence[Callable[[datetime], Any]]) -> Callable[[Draft, Pick], None]:
    def plant(draft: Draft, pick: Pick) -> None:
        value = pick.of(forms)(at(draft.times["TimeStamp"] + pick.below(1_000)))
        candidate = _candidate_for(draft, value, pick)
        draft.put(candidate, value)
        _fall_back(draft, CANDIDATES.index(candidate) + 1)

    return plant


def _candidate_for(draft: Draft, value: object, pick: Pick) -> str:
    """Which candidate tells it, the earlier ones gone; ts is a string column."""
    return _only_from(draft, pick.of((0, 0, 0, 1, 2) if isinstance(value, str) else (0, 0, 1)))


def _only_from(draft: Draft, place: int) -> str:
    for candidate in CANDIDATES[:place]:
        draft.drop(candidate)
    return CANDIDATES[place]


def _tell_all(draft: Draft, candidates: Sequence[str], time: int) -> None:
    for candidate in candidates:
        draft.put(candidate, time * 1_000 if candidate == "eventdate" else _iso(time))


def _fall_back(draft: Draft, depth: int) -> None:
    """The first `depth` candidates are of no use."""
    if depth < len(CANDIDATES):
        draft.expect(CANDIDATES[depth], "fallback")
    else:
        draft.expect_no_time("invalid")


def _iso(time: int) -> str:
    return at(time).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


TIME_RULES: dict[str, Rule] = {
    "clock_fault": Rule(
        "a time outside the plausibility window falls through", clock_fault, odd_but_possible, 0.012, 0.0005
    ),
    "window_end": Rule("the window's ends are inside, 1 µs beyond is not", outside_window, inside_window, 1e-5, 1e-5),
    "blank_timestamp": Rule(
        "a blank candidate is not there; 0, [] and false are",
        blank_timestamp,
        unusable_timestamp,
        0.01,
        0.0003,
    ),
    "missing_timestamp": Rule("no candidate at all", no_timestamp, only_unusable_timestamps, 0.001, 0.0002),
    "eventdate": Rule("eventdate is nanoseconds", only_eventdate, eventdate_in_another_unit, 0.002, 0.0001),
    **form_rules(),
}
