"""Weeks that were due, and weeks that are there."""

import datetime as dt

import pytest

from services.control.success import success

NEWEST = dt.date(2024, 5, 10)


def _weeks(*back):
    return [(NEWEST - dt.timedelta(weeks=n)).isoformat() for n in back]


def _at(days):
    return dt.datetime.combine(NEWEST, dt.time(), tzinfo=dt.UTC) + dt.timedelta(days=days)


@pytest.mark.parametrize(
    ("known", "published", "days", "expected"),
    [
        ([], [], 0, (0, 0)),
        (range(10), range(10), 0, (10, 10)),
        # one failed, one was never sent
        (range(10), [0, 1, *range(3, 10)], 0, (10, 9)),
        # the newest is being worked on, until the next one is overdue
        (range(10), range(1, 10), 7.4, (9, 9)),
        (range(10), range(1, 10), 7.6, (11, 9)),
        ([0, 1, 3], [0, 1, 3], 0, (4, 3)),
        # only the last 52 count
        (range(60), range(60), 0, (52, 52)),
        # a week late: not due yet, then due
        (range(3), range(3), 7.4, (3, 3)),
        (range(3), range(3), 7.6, (4, 3)),
        (range(60), range(60), 14.6, (52, 50)),
        (range(3), range(3), 7 * 100, (52, 0)),
    ],
)
def test_success_is_told_by_weeks(known, published, days, expected):
    assert success(_weeks(*known), _weeks(*published), _at(days), 7.5) == expected


def test_a_drop_a_day_off_its_week_counts_for_it():
    assert success(
        ["2024-05-10", "2024-05-04", "2024-04-26"], ["2024-05-10", "2024-05-04", "2024-04-26"], _at(0), 7.5
    ) == (3, 3)
