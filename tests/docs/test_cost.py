"""docs/cost.md says what the prices and the measured figures say."""

from pathlib import Path

from bench import cost

ROOT = Path(__file__).parents[2]


def test_the_page_is_made_from_the_prices() -> None:
    assert (ROOT / "docs" / "cost.md").read_text() == cost.document(), (
        "make it again: python -m bench.cost > docs/cost.md"
    )


def test_where_two_lines_cross() -> None:
    assert round(cost.crossing(lambda m: 2 * m, lambda m: 100 + m) or 0) == 100
    assert cost.crossing(lambda m: 100 + m, lambda m: 2 * m) is None
    assert cost.crossing(lambda m: m, lambda m: 2 * m) is None


def test_more_rows_never_cost_less() -> None:
    for name, way in cost.WAYS.items():
        totals = [way(millions).total for millions in (1, *cost.MILLIONS)]
        assert totals == sorted(totals), name
