"""Numbers as they are written: short, and never 0 for what is not."""

import pytest

from services.control.report import numbers


@pytest.mark.parametrize(
    ("spell", "value", "written"),
    [
        (numbers.count, 1234567, "1,234,567"),
        (numbers.count, None, "–"),
        (numbers.size, 0, "0 B"),
        (numbers.size, 999, "999 B"),
        (numbers.size, 28_040_000, "28.0 MB"),
        (numbers.size, 1_800_000_000, "1.8 GB"),
        (numbers.size, 999_990, "1.0 MB"),
        (numbers.percent, 0.0688, "6.88 %"),
        (numbers.percent, 0, "0.00 %"),
        (numbers.percent, 0.00001, "0.0010 %"),
        (numbers.short_percent, 0.05, "5 %"),
        (numbers.short_percent, 0.025, "2.5 %"),
        (numbers.short_percent, 0.0005, "0.05 %"),
        (numbers.seconds, 0.84, "0.8 s"),
        (numbers.seconds, 200, "3 min 20 s"),
        (numbers.seconds, 7260, "2 h 1 min"),
        (numbers.points, -0.0012, "−0.12 pp"),
        (numbers.points, 0.000001, "0.00 pp"),
        (numbers.signed, -1234, "−1,234"),
        (numbers.compact, 1000, "1.0 k"),
    ],
)
def test_a_number_is_written(spell, value, written):
    assert spell(value).replace("\u202f", " ") == written


@pytest.mark.parametrize(
    ("amount", "written"),
    [(0, "0.00"), (12.345, "12.35"), (0.0123, "0.012"), (0.00026, "0.00026"), (1e-12, "0.0000000")],
)
def test_money_keeps_two_digits_of_what_is_small(amount, written):
    assert numbers.money(amount, "USD").replace("\u202f", " ") == f"{written} USD"


def test_a_growth_from_nothing_cannot_be_told():
    assert numbers.relative(5, 0) == "–"
    assert numbers.relative(9, 10).replace("\u202f", " ") == "−10.0 %"
