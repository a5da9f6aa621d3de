"""Manifests survive their JSON; counts add up; a ledger that does not balance says how."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.manifest import (
    Counts,
    Drop,
    Figures,
    Input,
    Manifest,
    Output,
    Quality,
    Run,
    UnusableTime,
    Window,
    ledger_gap,
)

COUNTS = st.builds(Counts, **{field.name: st.integers(0, 2**40) for field in dataclasses.fields(Counts)})


FULL = Manifest(
    stage="clean",
    week="2024-05-10",
    contract=1,
    generation=3,
    fingerprint="f" * 64,
    inputs=(Input("raw/é", "1-2", 3),),
    outputs=(Output("clean/é", '"e"', "a" * 64, 2, 2**40),),
    ledger={"raw_rows": 3},
    run=Run(
        "id",
        "0.1",
        2,
        "then",
        "now",
        {"total": 0.1},
        1.5,
        2**31,
        {"volatile_fields": ["SeqNo"], "day_first": False},
    ),
    quality=Quality(
        counts=Counts(raw_rows=3),
        figures=Figures.of(Counts(raw_rows=3, resends=1)),
        counts_by_pn={"é/": Counts(raw_rows=3)},
        figures_by_pn={"é/": Figures.of(Counts())},
        counts_by_file={"a.parquet": Counts()},
        timestamps={"none": {"missing": 3}},
        unusable_times=(UnusableTime("ts", None, 1), UnusableTime("eventdate", -292_277_022_656, 2)),
        ev_statuses={"ok": 3},
    ),
    drop=Drop(1, None, {"a.parquet": 0}, {"é/": 3}, {"bad_pn": 0}, 4, {"b.parquet": "why"}, {"ev": "string"}),
    window=Window(("2024-05-03", "2024-05-10"), "2024-05-10", 7),
)


@pytest.mark.parametrize("part", ["quality", "drop", "window", "week", None])
def test_manifest_survives_its_json_with_and_without_its_parts(part):
    made = dataclasses.replace(FULL, **{part: None}) if part else FULL
    assert Manifest.from_json(made.to_json()) == made


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"null", b'{"stage": "clean"}', b"\xff"])
def test_another_file_is_no_manifest(text):
    with pytest.raises(ValidationError):
        Manifest.from_json(text)


@given(COUNTS, COUNTS, COUNTS)
def test_counts_add_up_in_any_order(a, b, c):
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Counts() == a


def test_figures_are_shares_of_their_own_rows():
    counts = Counts(
        raw_rows=8,
        clean_rows=5,
        resends=3,
        missing_timestamp=1,
        invalid_timestamp=2,
        valid_timestamp=4,
        missing_event_id=6,
        ev_unparsable=7,
        errors=1,
        event_id_conflicts=9,
    )
    assert Figures.of(counts) == Figures(
        missing_timestamp_ratio=1 / 8,
        invalid_timestamp_ratio=2 / 8,
        valid_timestamp_coverage=4 / 5,
        missing_event_id_ratio=6 / 8,
        ev_unparsable_ratio=7 / 8,
        duplicate_ratio=3 / 8,
        error_ratio=1 / 5,
        event_id_conflicts=9,
    )


def test_figures_of_no_rows_are_zero():
    assert set(dataclasses.asdict(Figures.of(Counts())).values()) == {0}


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"source rows": 3}, {"raw": 2, "quarantined": 1}, None),
        ({}, {}, None),
        ({"raw": 1_234}, {"clean": 1_000, "re-sends": 233}, "raw 1,234 is not clean 1,000 + re-sends 233"),
    ],
)
def test_ledger_gap_says_both_sides(left, right, expected):
    assert ledger_gap(left, right) == expected
