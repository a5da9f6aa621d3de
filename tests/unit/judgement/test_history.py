"""The range that a figure's past gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.judgement.history import LEARNING, WEEKS, Value, expected


def _of(*numbers, deviations=5.0, ratio=True):
    return expected([Value(number) for number in numbers], deviations=deviations, ratio=ratio)


def test_it_learns_until_there_are_enough_weeks():
    assert _of(*[0.1] * (LEARNING - 1)) is None
    assert _of(*[0.1] * LEARNING) is not None


@pytest.mark.parametrize(
    ("numbers", "low", "high"),
    [
        # MAD 0: a quarter of the median is ordinary
        ([0.08] * 8, 0.06, 0.10),
        # next to nothing: two rows in a thousand are
        ([0.0] * 8, -0.002, 0.002),
        # one odd week moves nothing
        ([0.08] * 7 + [0.9], 0.06, 0.10),
        # MAD 0.02 around 0.1: 5 × 1.4826 × 0.02
        ([0.08, 0.12] * 4, 0.1 - 0.14826, 0.1 + 0.14826),
    ],
)
def test_the_range_is_the_median_and_the_room_around_it(numbers, low, high):
    usual = _of(*numbers)
    assert (usual.low, usual.high) == pytest.approx((low, high))


def test_only_the_newest_weeks_count():
    assert _of(*[0.9] * 5, *[0.1] * WEEKS).median == 0.1


def test_an_accepted_value_is_the_measure_until_the_median_has_caught_up():
    usual = expected([*[Value(100.0)] * 7, Value(200.0, accepted=True)], deviations=5, ratio=False)
    assert (usual.low, usual.high) == (75, 225)


@given(numbers=st.lists(st.floats(0, 1), min_size=LEARNING, max_size=20), deviations=st.floats(0.1, 10))
def test_the_median_is_within_its_own_range(numbers, deviations):
    usual = _of(*numbers, deviations=deviations)
    assert usual.low <= usual.median <= usual.high


@given(numbers=st.lists(st.floats(0, 1), min_size=LEARNING, max_size=WEEKS), order=st.randoms(use_true_random=False))
def test_the_order_of_the_newest_weeks_does_not_matter(numbers, order):
    shuffled = list(numbers)
    order.shuffle(shuffled)
    assert _of(*shuffled) == _of(*numbers)
