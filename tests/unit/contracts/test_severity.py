"""How bad an event is."""

import pytest

from services.contracts.severity import severity


@pytest.mark.parametrize(
    ("cat", "expected"),
    [
        ("Error", "error"),
        (" ERROR\t", "error"),
        ("\u3000error\u2028", "error"),
        ("Critical", "critical"),
        ("CRITICAL\u00a0", "critical"),
        ("Warning", "warning"),
        ("Warn", "other"),
        ("Info", "other"),
        ("error\x1c", "other"),
        ("err or", "other"),
        ("erro\u0440", "other"),
        ("\u200berror", "other"),
        ("", "other"),
        (None, "other"),
    ],
)
def test_category_is_trimmed_and_case_folded(cat, expected):
    assert severity(cat) == expected
