"""`eventlog accept`, from a finding in `eventlog status` to its end."""

import pytest

from services.contracts.errors import NotReadyError, UsageError
from services.control import status
from services.control.accept import accept_week
from services.lake.store import open_store
from tests.drops import NEXT_WEEK, WEEK, row, table


@pytest.fixture
def lake(chain):
    """An ordinary week and one whose every other row is a re-send."""
    chain.drop({"a.parquet": table(*(row(f"T{n}") for n in range(40)))})
    chain.drop({"a.parquet": table(*(row(f"T{n // 2}") for n in range(40)))}, NEXT_WEEK)
    chain.run(WEEK, NEXT_WEEK)
    return open_store(str(chain.lake))


def _flags(chain, lake):
    return {week.week: week.flags for week in status.status(chain.settings(), lake).weeks}


def test_status_says_what_was_found_and_that_it_was_accepted(chain, lake):
    (flag,) = _flags(chain, lake)[NEXT_WEEK]
    assert flag.startswith("duplicate_ratio is 50 %, above its limit of 15 %; 100 % of the rise comes from pn=I13")
    accepted = accept_week(chain.settings(week=NEXT_WEEK), lake, "a plant sends twice by design")
    assert accepted.findings == ("duplicates:duplicate_ratio",)
    assert _flags(chain, lake) == {WEEK: (), NEXT_WEEK: ("accepted: a plant sends twice by design",)}


def test_accepting_again_changes_nothing(chain, lake):
    settings = chain.settings(week=NEXT_WEEK)
    assert accept_week(settings, lake, "real") == accept_week(settings, lake, "real")


@pytest.mark.parametrize(
    ("week", "reason", "error", "message"),
    [
        (WEEK, "real", UsageError, "has no finding"),
        (NEXT_WEEK, " ", UsageError, "--reason"),
        ("auto", "real", UsageError, "name the week"),
        ("2030-01-04", "real", NotReadyError, "is not in this lake"),
    ],
)
def test_what_cannot_be_accepted_is_said(chain, lake, week, reason, error, message):
    with pytest.raises(error, match=message):
        accept_week(chain.settings(week=week), lake, reason)
