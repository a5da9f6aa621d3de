"""Values that no column of raw can hold, as JSON text."""

import datetime as dt
import decimal
import json

import pytest

from services.ingest.json_text import row_text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1, 1),
        (2**64 - 1, 2**64 - 1),
        (1.5, 1.5),
        (float("nan"), None),
        (float("inf"), None),
        ("ü\x00", "ü\x00"),
        (b"\xff", {"base64": "/w=="}),
        ([b"a", [None]], [{"base64": "YQ=="}, [None]]),
        ({"b": {"c": b""}}, {"b": {"c": {"base64": ""}}}),
        ([("k", b"v")], [["k", {"base64": "dg=="}]]),
        (decimal.Decimal("1.10"), "1.10"),
        (dt.date(2024, 5, 8), "2024-05-08"),
        (dt.timedelta(seconds=1), "0:00:01"),
    ],
)
def test_any_value_of_a_row_is_written(value, expected):
    assert json.loads(row_text({"x": value})) == {"x": expected}
