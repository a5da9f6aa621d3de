"""Every path of the lake, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts import layout


@pytest.mark.parametrize(
    ("pn", "encoded"),
    [
        ("I13", "I13"),
        ("007", "007"),
        ("a/b", "a%2Fb"),
        ("x=y %", "x%3Dy%20%25"),
        ("~._-", "~._-"),
        ("é", "%C3%A9"),
        ("+", "%2B"),
        ("\U0001f4bb", "%F0%9F%92%BB"),
    ],
)
def test_pn_is_percent_encoded_byte_by_byte(pn, encoded):
    assert layout.encode_pn(pn) == encoded
    assert layout.partition_key("ingest", "2024-05-10", pn) == (
        f"raw/event_log/week=2024-05-10/pn={encoded}/2024-05-10_{encoded}.parquet"
    )


@given(st.text(min_size=1), st.sampled_from(["ingest", "clean"]))
def test_a_key_says_the_week_and_pn_that_it_was_made_of(pn, stage):
    assert layout.partition_of(layout.partition_key(stage, "2024-05-10", pn)) == ("2024-05-10", pn)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("2024-05-10", True),
        ("2024-02-29", True),
        ("2023-02-29", False),
        ("2024-13-01", False),
        ("2024-5-10", False),
        ("20240510", False),
        ("2024-05-10 ", False),
        ("٢٠٢٤-05-10", False),
        ("2024-W19-3", False),
        ("0000-01-01", False),
        ("", False),
    ],
)
def test_week_is_a_calendar_date_as_it_is(name, expected):
    assert layout.is_week(name) is expected


@pytest.mark.parametrize("stage", layout.STAGES)
def test_control_files_lie_in_one_folder_outside_the_zones(stage):
    week = None if stage == "feature" else "2024-05-10"
    folder = layout.control_folder(stage, week)
    keys = [layout.claim_key(stage, week), layout.manifest_key(stage, week), layout.lock_key(stage, week)]
    assert folder.startswith(f"_control/{stage}/")
    assert all(key.startswith(folder) for key in keys)
    assert len(set(keys)) == 3
    assert layout.week_of_control(layout.manifest_key(stage, week)) == week


def test_no_two_stages_own_a_prefix():
    owned = [prefix for stage in layout.STAGES for prefix in layout.zone_prefixes(stage, "2024-05-10")]
    assert not [(a, b) for a in owned for b in owned if a != b and a.startswith(b)]
