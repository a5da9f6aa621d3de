"""Weeks in, judgement out: what is found, against what, and what stays silent."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.judgement.accepted import Accepted
from services.judgement.judge import judged
from services.judgement.limits import Limits
from services.judgement.rules import RULES
from tests.weeks import ROWS, counts, facts, season

NOW = "2024-05-17"
NEXT = "2024-05-24"
FLOOD = {"I13": counts(resends=0.4, errors=0.029)}
"""Two fifths are re-sends; the errors among the rest are as many as ever."""


def _found(weeks, week=NOW, limits=None):
    return {finding.rule: finding for finding in judged(weeks, limits or Limits())[week].findings}


@pytest.mark.parametrize("before", [0, 1, 5, 6, 20])
def test_an_ordinary_week_is_silent(before):
    assert _found([*season(before), facts(NOW)]) == {}


@pytest.mark.parametrize(
    ("rule", "figure", "severity", "now"),
    [
        ("raw_size", "raw_bytes", "critical", {"raw_bytes": ROWS * 131}),
        ("raw_size", "raw_bytes", "critical", {"raw_bytes": ROWS * 69}),
        ("skipped_files", "skipped_files", "critical", {"skipped": {"b.parquet": "b.parquet: not Parquet"}}),
        ("quarantine", "quarantined_ratio", "warning", {"quarantined": {"bad_pn": 600}}),
        ("duplicates", "duplicate_ratio", "critical", {"by_pn": {"I13": counts(resends=0.2)}}),
        ("invalid_times", "invalid_timestamp_ratio", "critical", {"by_pn": {"I13": counts(invalid_timestamp=0.06)}}),
        ("missing_times", "missing_timestamp_ratio", "warning", {"by_pn": {"I13": counts(missing_timestamp=0.03)}}),
        ("unparsable_ev", "ev_unparsable_ratio", "critical", {"by_pn": {"I13": counts(ev_unparsable=0.02)}}),
        (
            "event_id_conflicts",
            "event_id_conflict_ratio",
            "warning",
            {"by_pn": {"I13": counts(event_id_conflicts=0.006)}},
        ),
        ("error_jump", "error_ratio", "warning", {"by_pn": {"I13": counts(errors=0.1)}}),
    ],
)
def test_each_rule_finds_what_it_is_for_and_nothing_else_is_found(rule, figure, severity, now):
    found = _found([*season(1), facts(NOW, **now)])
    assert list(found) == [rule]
    assert (found[rule].figure, found[rule].severity) == (figure, severity)
    assert NOW in found[rule].sentence
    assert figure in found[rule].sentence


@pytest.mark.parametrize(
    "now",
    [
        {"raw_bytes": ROWS * 130},
        {"raw_bytes": ROWS * 70},
        {"by_pn": {"I13": counts(resends=0.15)}},
        {"by_pn": {"I13": counts(errors=0.0899)}},
        {"quarantined": {"bad_pn": 500}},
    ],
)
def test_a_value_at_its_limit_is_ordinary(now):
    assert _found([*season(1), facts(NOW, **now)]) == {}


def test_the_first_week_is_judged_by_fixed_limits_alone():
    assert list(_found([facts(NOW, {"I13": counts(resends=0.2, errors=0.9)}, raw_bytes=1)])) == ["duplicates"]


def test_an_error_ratio_of_next_to_nothing_may_double():
    quiet = [facts("2024-05-10", {"I13": counts(errors=0.001)})]
    assert _found([*quiet, facts(NOW, {"I13": counts(errors=0.009)})]) == {}
    assert list(_found([*quiet, facts(NOW, {"I13": counts(errors=0.02)})])) == ["error_jump"]


def test_history_is_silent_while_it_learns_and_speaks_from_six_weeks_on():
    unusual = facts(NOW, {"I13": counts(resends=0.12)})
    assert _found([*season(5), unusual]) == {}
    assert judged([*season(5), unusual], Limits())[NOW].learning
    (finding,) = _found([*season(6), unusual]).values()
    assert (finding.rule, finding.figure, finding.against) == ("unusual", "duplicate_ratio", "history")
    assert not judged([*season(6), unusual], Limits())[NOW].learning


def test_a_figure_is_found_once_by_the_first_rule_that_it_breaks():
    flood = facts(NOW, FLOOD)
    assert [finding.rule for finding in judged([*season(8), flood], Limits())[NOW].findings] == ["duplicates"]


def test_only_coverage_and_size_can_be_too_low():
    low = facts(NOW, {"I13": counts(resends=0.0, errors=0.0, invalid_timestamp=0.0)})
    assert _found([*season(8), low]) == {}
    half = counts(ROWS)
    lost = facts(NOW, {"I13": replace(half, valid_timestamp=half.valid_timestamp // 2)})
    assert [f.figure for f in judged([*season(8), lost], Limits())[NOW].findings] == ["valid_timestamp_coverage"]


def test_what_counts_the_same_rows_is_not_found_twice():
    lost = facts(NOW, {"I13": counts(missing_timestamp=0.5)})
    assert [f.figure for f in judged([*season(8), lost], Limits())[NOW].findings] == ["missing_timestamp_ratio"]


def test_the_week_after_a_bad_one_is_compared_with_the_ordinary_one_before():
    doubled = facts(NOW, {"I13": counts(2 * ROWS)})
    weeks = [*season(2), doubled, facts(NEXT)]
    assert list(_found(weeks)) == ["raw_size"]
    assert _found(weeks, NEXT) == {}


def test_flagged_weeks_stay_out_of_the_history():
    floods = [facts(f"2024-0{month}-01", FLOOD) for month in (6, 7, 8, 9)]
    assert [f.rule for f in judged([*season(6), *floods], Limits())["2024-09-01"].findings] == ["duplicates"]
    later = facts("2024-10-01", {"I13": counts(resends=0.12)})
    (finding,) = _found([*season(6), *floods, later], "2024-10-01").values()
    assert "median 7 %" in finding.sentence


def test_accepting_ends_the_finding_and_lets_the_week_into_the_history():
    grown = {"I13": counts(2 * ROWS)}
    said = Accepted(NOW, "a second plant", ("raw_size:raw_bytes",), "2024-05-18T08:00:00+00:00")
    weeks = [*season(8), facts(NOW, grown, accepted=said), facts(NEXT, grown)]
    judgements = judged(weeks, Limits())
    assert judgements[NOW].findings == judgements[NEXT].findings == ()
    assert judgements[NOW].accepted == "a second plant"
    assert judgements[NEXT].accepted is None


def test_what_was_not_accepted_is_still_found():
    said = Accepted(NOW, "a second plant", ("raw_size:raw_bytes",), "2024-05-18T08:00:00+00:00")
    both = facts(NOW, {"I13": counts(2 * ROWS, resends=0.3)}, accepted=said)
    assert list(_found([*season(2), both])) == ["duplicates"]


def test_a_week_without_rows_is_found_by_its_size_and_says_nothing_of_ratios():
    empty = facts(NOW, {"I13": counts(0)}, raw_bytes=2000)
    assert list(_found([*season(8), empty])) == ["raw_size"]
    assert _found([*season(8), empty, facts(NEXT)], NEXT) == {}


def test_limits_are_what_the_settings_say():
    week = facts(NOW, {"I13": counts(resends=0.1)})
    assert _found([week]) == {}
    assert list(_found([week], limits=Limits(duplicate_ratio=0.09))) == ["duplicates"]


def test_every_rule_has_a_name_and_figure_of_its_own():
    names = [(rule.name, rule.figure) for rule in RULES]
    assert len(names) == len(set(names))


_share = st.floats(0, 0.4)
_week = st.builds(
    lambda rows, resends, errors: {"I13": counts(rows, resends=resends, errors=errors)},
    st.integers(0, 3 * ROWS),
    _share,
    _share,
)


@given(weeks=st.lists(_week, min_size=1, max_size=14), order=st.randoms(use_true_random=False))
def test_the_order_in_which_weeks_are_read_does_not_matter(weeks, order):
    made = [facts(f"2024-01-{day + 1:02}", parts) for day, parts in enumerate(weeks)]
    shuffled = list(made)
    order.shuffle(shuffled)
    assert judged(shuffled, Limits()) == judged(made, Limits())


@given(parts=_week, weeks=st.integers(2, 14))
def test_a_constant_past_is_never_broken_by_more_of_the_same(parts, weeks):
    made = [facts(f"2024-01-{day + 1:02}", parts) for day in range(weeks)]
    for judgement in judged(made, Limits()).values():
        assert all(finding.against == "limit" for finding in judgement.findings)


@given(weeks=st.lists(_week, min_size=1, max_size=14))
def test_a_later_week_changes_nothing_of_an_earlier_one(weeks):
    made = [facts(f"2024-01-{day + 1:02}", parts) for day, parts in enumerate(weeks)]
    whole = judged(made, Limits())
    for end in range(1, len(made)):
        assert judged(made[:end], Limits()) == {week.week: whole[week.week] for week in made[:end]}
