"""Columns that are missing, of a type that would lose something, named twice, or more than were asked for."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.bad_input.user import User, untouched
from tests.drops import TEN, WEEK, ev, row, table

ADVICE = ("Nothing was published", "Ask the sender for it again", "EVENTLOG_ON_BAD_FILE=skip")
GOOD = table(row(), row("T2"))


def changed(name: str, values: pa.Array) -> pa.Table:
    return GOOD.set_column(GOOD.column_names.index(name), name, values)


@pytest.mark.parametrize("name", ["service_tag", "cat", "ev"])
def test_a_missing_required_column_is_named(user: User, week_folder: Path, name: str) -> None:
    pq.write_table(GOOD.drop_columns(name), week_folder / "bad.parquet")
    with untouched(user.chain.lake):
        user.ingest().failed(3, f"bad.parquet: column {name}: is missing", *ADVICE)


@pytest.mark.parametrize("name", ["pn", "ts", "eventdate"])
def test_other_columns_may_be_missing(user: User, week_folder: Path, name: str) -> None:
    pq.write_table(GOOD.drop_columns(name), week_folder / "good.parquet")
    assert user.run_all().code == 0
    assert user.chain.manifest("ingest").ledger["raw_rows"] == 2


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("service_tag", pa.array([1, 2])),
        ("service_tag", pa.array([b"T1", b"T2"])),
        ("cat", pa.array([1.5, None])),
        ("cat", pa.array([["Info"], None])),
        ("ev", pa.array([1, 2])),
        ("ev", pa.array([[ev(a=1)], None])),
        ("ev", pa.array([{"raw": b"\xff"}, None])),
        ("ev", pa.array([{"deep": {"price": decimal.Decimal("1.50")}}, None])),
        ("ev", pa.array([{"list": [{"raw": b"x"}]}, None])),
        ("ev", pa.array([[(1, "a")], None], pa.map_(pa.int64(), pa.string()))),
        ("pn", pa.array([1.0, 2.0])),
        ("pn", pa.array([True, False])),
        ("pn", pa.array([b"I13", None])),
        ("ts", pa.array([True, None])),
        ("ts", pa.array([decimal.Decimal("1.5"), None])),
        ("ts", pa.array([dt.time(10), None])),
        ("eventdate", pa.array([True, None])),
        ("eventdate", pa.array([dt.date(2024, 5, 8), None])),
        ("eventdate", pa.array([decimal.Decimal(1715162400), None])),
        ("eventdate", pa.array([[1], None])),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else value,
)
def test_a_type_that_would_lose_something_is_named(user: User, week_folder: Path, name: str, values: pa.Array) -> None:
    pq.write_table(changed(name, values), week_folder / "bad.parquet")
    with untouched(user.chain.lake):
        user.ingest().failed(3, f"bad.parquet: column {name}: has type", "accepted are", *ADVICE)


@pytest.mark.parametrize("other", ["SERVICE_TAG", "Ev", "EventDate"])
def test_columns_that_differ_only_in_case_are_named(user: User, week_folder: Path, other: str) -> None:
    pq.write_table(GOOD.append_column(other, pa.array(["x", "y"])), week_folder / "bad.parquet")
    with untouched(user.chain.lake):
        user.ingest().failed(3, f"bad.parquet: column {other}: differs from column", "case", *ADVICE)


def test_a_column_that_is_there_twice_is_named(user: User, week_folder: Path) -> None:
    twice = pa.Table.from_arrays([*GOOD.columns, GOOD["cat"]], [*GOOD.column_names, "cat"])
    pq.write_table(twice, week_folder / "bad.parquet")
    with untouched(user.chain.lake):
        user.ingest().failed(3, "bad.parquet: column cat: differs from column cat", *ADVICE)


def test_one_spelling_per_drop(user: User, week_folder: Path) -> None:
    pq.write_table(GOOD.append_column("Region", pa.array(["x", "y"])), week_folder / "a.parquet")
    pq.write_table(GOOD.append_column("region", pa.array(["x", "y"])), week_folder / "b.parquet")
    with untouched(user.chain.lake):
        user.ingest().failed(3, "b.parquet: column region: is spelt Region in another file of the drop", *ADVICE)


def test_a_name_that_would_hide_another_is_named(user: User, week_folder: Path) -> None:
    """`week` becomes source_week, which is there already."""
    two = GOOD.append_column("week", pa.array([1, 2])).append_column("source_week", pa.array([3, 4]))
    pq.write_table(two, week_folder / "bad.parquet")
    with untouched(user.chain.lake):
        user.ingest().failed(3, "bad.parquet: column source_week", "week", *ADVICE)


def test_other_columns_are_kept(user: User, week_folder: Path) -> None:
    extra = {
        "count": pa.array([1, None], pa.int32()),
        "blob": pa.array([b"\xff\x00", None]),
        "price": pa.array([decimal.Decimal("1.50"), None]),
        "tags": pa.array([["a", "b"], []]),
        "deep": pa.array([{"a": {"b": 1}}, None]),
        "kind": pa.array(["x", "y"]).dictionary_encode(),
        "nothing": pa.nulls(2),
        "Größe in %": pa.array([1.5, 2.5]),
        "week": pa.array(["W19", None]),
        "Source_Row": pa.array([7, 8]),
    }
    wide = GOOD
    for name, values in extra.items():
        wide = wide.append_column(name, values)
    pq.write_table(wide, week_folder / "good.parquet")
    assert user.run_all().code == 0
    raw = user.chain.rows("ingest")
    for name, values in extra.items():
        kept = {"week": "source_week", "Source_Row": "source_Source_Row"}.get(name, name)
        assert raw[kept].to_pylist() == values.to_pylist(), name
    assert user.chain.rows("clean").column_names == [*user.chain.partitions("clean")["I13"].column_names, "pn"]


def test_a_column_on_whose_type_files_disagree_is_kept_as_json(user: User, week_folder: Path) -> None:
    pq.write_table(GOOD.append_column("x", pa.array([1, None])), week_folder / "a.parquet")
    pq.write_table(GOOD.append_column("x", pa.array(["one", '{"a":1}'])), week_folder / "b.parquet")
    pq.write_table(GOOD.append_column("x", pa.array([{"b": [1.5]}, None])), week_folder / "c.parquet")
    pq.write_table(GOOD.append_column("x", pa.nulls(2)), week_folder / "good.parquet")
    assert user.run_all().code == 0
    raw = user.chain.rows("ingest").sort_by([("source_file", "ascending"), ("source_row", "ascending")])
    assert raw["x"].to_pylist() == ["1", None, "one", '{"a":1}', '{"b":[1.5]}', None, None, None]


def test_ev_as_a_struct_is_an_event(user: User, week_folder: Path) -> None:
    moment = dt.datetime(2024, 5, 8, 10, 0, 0, 500_000, tzinfo=dt.UTC)
    events = pa.array(
        [
            {"TimeStamp": moment, "EventId": 7, "Gone": None, "Deep": {"b": 1, "a": None}},
            {"TimeStamp": None, "EventId": None, "Gone": None, "Deep": None},
            None,
        ]
    )
    three = table(row("T1"), row("T2"), row("T3"))
    pq.write_table(three.set_column(three.column_names.index("ev"), "ev", events), week_folder / "good.parquet")
    assert user.run_all().code == 0
    clean = user.chain.rows("clean").sort_by("service_tag")
    assert clean["ev"].to_pylist() == [
        '{"Deep":{"b":1},"EventId":7,"TimeStamp":"2024-05-08T10:00:00.5Z"}',
        "{}",
        None,
    ]
    assert clean["ev_status"].to_pylist() == ["ok", "ok", "null"]
    assert clean["valid_timestamp"].to_pylist() == [moment, None, None]


def test_ev_as_a_map_or_as_binary_is_an_event(user: User, week_folder: Path) -> None:
    as_map = pa.array([[("TimeStamp", TEN), ("a", None)], None], pa.map_(pa.string(), pa.string()))
    as_binary = pa.array([ev(TimeStamp=TEN).encode(), None])
    pq.write_table(changed("ev", as_map), week_folder / "a.parquet")
    pq.write_table(changed("ev", as_binary), week_folder / "good.parquet")
    assert user.run_all().code == 0
    raw = user.chain.rows("ingest").sort_by([("source_file", "ascending"), ("source_row", "ascending")])
    assert raw["ev"].to_pylist()[1:] == [None, ev(TimeStamp=TEN), None]
    statuses = user.chain.manifest("clean").quality
    assert statuses
    assert statuses.ev_statuses == {"null": 2, "too_big": 0, "too_deep": 0, "not_json": 0, "not_object": 0, "ok": 2}
    assert user.chain.manifest("clean").week == WEEK
