"""Drawings as SVG: well-formed, escaped, and in proportion."""

import xml.etree.ElementTree as ET

import pytest

from services.control.report import charts
from services.control.report.numbers import compact, count


def _draw(markup):
    return ET.fromstring(str(markup))


def _trend(values, **how):
    weeks = [f"2024-05-{day:02d}" for day in range(1, len(values) + 1)]
    return _draw(charts.trend("Rows", weeks, values, count, **how))


def _dots(drawn):
    return [(float(dot.get("cx")), float(dot.get("cy"))) for dot in drawn.iter("circle")]


def test_a_trend_has_a_dot_a_week_and_tells_all_values():
    drawn = _trend([10, 20, 15])
    (x1, y1), (x2, y2), (x3, y3) = _dots(drawn)
    assert x1 < x2 < x3
    assert y2 < y3 < y1
    assert "2024-05-02 20" in drawn.get("aria-label")


def test_a_line_is_not_drawn_over_a_gap():
    drawn = _trend([1, 2, None, 3, 4, 5])
    assert [line.get("points").count(",") for line in drawn.iter("polyline")] == [2, 3]
    assert len(_dots(drawn)) == 5
    assert "2024-05-03 unknown" in drawn.get("aria-label")


@pytest.mark.parametrize("values", [[None], [0], [0, 0, 0], [1e-9, 2e-9], [1e15, 2e15], [5]])
def test_any_values_can_be_drawn_within_the_frame(values):
    drawn = _trend(values, median=0.0, limits=(0.0, 0.0))
    assert all(0 <= x <= 360 and 0 <= y <= 196 for x, y in _dots(drawn))


def test_a_flagged_week_is_marked():
    drawn = _trend([1, 2], flagged=["critical", None])
    assert [dot.get("class") for dot in drawn.iter("circle")] == ["dot critical", "dot now"]


def test_names_are_escaped():
    drawn = _draw(charts.columns("<b>", {"<i>": {"</svg>": 3}}, ["</svg>"], compact))
    assert drawn.find("title").text == "<b>"
    assert any(text.text == "<i>" for text in drawn.iter("text"))


def test_columns_are_as_high_as_their_rows():
    drawn = _draw(charts.columns("t", {"1970": {"ts": 10, "ev": 20}, "2099": {"ts": 30}}, ["ev", "ts"], compact))
    low, mid, high = (
        float(box.get("height"))
        for box in sorted(drawn.iter("rect"), key=lambda b: float(b.get("height")))
        if float(box.get("height"))
    )
    assert low * 2 == pytest.approx(mid, abs=0.05)
    assert low * 3 == pytest.approx(high, abs=0.05)


@pytest.mark.parametrize(("share", "width"), [(0, 0), (1, 100), (0.5, 50), (0.0001, 0.6), (3, 100)])
def test_a_bar_is_as_wide_as_its_share_and_shows_what_is_not_nothing(share, width):
    (box,) = _draw(charts.bar(share)).iter("rect")
    assert float(box.get("width")) == width


@pytest.mark.parametrize(("share", "kind", "left", "width"), [(1, "more", 50, 50), (-0.5, "less", 25, 25)])
def test_a_change_goes_to_its_side(share, kind, left, width):
    _, box = _draw(charts.diverging(share)).iter("rect")
    assert (box.get("class"), float(box.get("x")), float(box.get("width"))) == (kind, left, width)


def test_a_value_beyond_its_limit_is_over():
    assert [box.get("class") for box in _draw(charts.bullet(3, 2)).iter("rect")] == ["over", "limit"]
    assert [box.get("class") for box in _draw(charts.bullet(1, 2)).iter("rect")] == ["plain", "limit"]
