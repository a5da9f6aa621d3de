"""Which rows are taken into raw and which go to quarantine, with the first reason that applies."""

import json
from typing import NamedTuple

import pyarrow as pa
import pytest

from services.contracts.source import ExtraColumns
from services.ingest.rows import RowReader
from tests.drops import broken, row, table


class Judged(NamedTuple):
    raw: pa.Table
    quarantined: pa.Table
    unusable_eventdates: int


def judged(batch, first_row=0):
    if isinstance(batch, pa.Table):
        (batch,) = batch.combine_chunks().to_batches()
    found = RowReader("a.parquet", ExtraColumns({"a.parquet": batch.schema})).read(batch, first_row)
    return Judged(found.converted.take(pa.array(found.kept)), found.quarantined, found.unusable_eventdates)


def reasons(batch):
    return [tuple(found.values()) for found in judged(batch).quarantined.select(["source_row", "reason"]).to_pylist()]


def with_column(batch, name, column):
    place = batch.schema.get_field_index(name)
    return batch.set_column(place, name, column) if place >= 0 else batch.append_column(name, column)


@pytest.mark.parametrize("tag", [None, "", " ", "\u3000\t\u2028"])
def test_a_row_without_service_tag_is_refused(tag):
    assert reasons(table(row(), row(tag), row("\x1c"))) == [(1, "no_service_tag")]


@pytest.mark.parametrize(
    ("pn", "is_bad"),
    [
        (".", True),
        ("..", True),
        (" .. ", True),
        ("...", False),
        ("a\x00b", True),
        ("\x1f", True),
        ("\x7f", True),
        ("a\x9f", True),
        ("a\xa0b", False),
        ("p" * 200, False),
        ("p" * 201, True),
        ("é" * 33, False),
        ("é" * 34, True),
        ("/" * 66, False),
        ("/" * 67, True),
        ("a/../b", False),
    ],
)
def test_a_pn_that_cannot_name_a_folder_is_refused(pn, is_bad):
    assert reasons(table(row(pn=pn))) == ([(0, "bad_pn")] if is_bad else [])


@pytest.mark.parametrize(
    ("pn", "expected"),
    [
        (None, "UNKNOWN"),
        ("", "UNKNOWN"),
        (" \u2003", "UNKNOWN"),
        (" I13\n", "I13"),
        ("UNKNOWN", "UNKNOWN"),
        ("i13", "i13"),
    ],
)
def test_pn_is_trimmed_and_unknown_when_empty(pn, expected):
    assert judged(table(row(pn=pn))).raw["pn"].to_pylist() == [expected]


def test_ways_to_be_unknown_are_one_partition():
    pns = judged(table(row(pn=None), row(pn=""), row(pn="UNKNOWN"), row(pn="I13"))).raw["pn"].combine_chunks()
    assert sorted(set(pns.dictionary.to_pylist())) == sorted(pns.dictionary.to_pylist())


@pytest.mark.parametrize("column", ["service_tag", "pn", "cat", "ev", "ts", "Region"])
@pytest.mark.parametrize("form", ["string", "dictionary", "large", "view"])
def test_a_string_that_is_no_utf8_is_refused_first_of_all(column, form):
    cells = broken(b"ok", b"\xffx", b"ok")
    if form == "dictionary":
        cells = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int8()), broken(b"ok", b"\xffx"))
    elif form != "string":
        plain = pa.array([b"ok", b"\xffx", b"ok"], pa.large_binary() if form == "large" else pa.binary_view())
        kind = pa.large_string() if form == "large" else pa.string_view()
        cells = pa.Array.from_buffers(kind, 3, plain.buffers())
    found = judged(with_column(table(row(), row(None, pn=".."), row()), column, cells))
    assert found.raw["source_row"].to_pylist() == [0, 2]
    (refused,) = found.quarantined.to_pylist()
    assert (refused["source_row"], refused["reason"]) == (1, "bad_utf8")
    assert refused["detail"] == f"a string in column {column} is not UTF-8"
    assert json.loads(refused["row"])[column] == {"base64": "/3g="}


@pytest.mark.parametrize("form", [pa.binary(), pa.large_binary(), pa.binary_view(), None], ids=str)
def test_binary_ev_is_judged_as_the_text_that_it_becomes(form):
    values = pa.array([b'{"a":1}', b"\xff"], form or pa.binary())
    batch = with_column(table(row(), row()), "ev", values if form else values.dictionary_encode())
    assert reasons(batch) == [(1, "bad_utf8")]
    assert judged(batch).raw["ev"].to_pylist() == ['{"a":1}']


def test_other_binary_columns_may_hold_any_bytes():
    batch = with_column(table(row()), "blob", pa.array([b"\xff"]))
    assert judged(batch).raw["blob"].to_pylist() == [b"\xff"]


def test_a_broken_string_deep_inside_is_found_and_named():
    inner = pa.StructArray.from_arrays([broken(b"ok", b"\xff")], ["b"])
    found = judged(with_column(table(row(), row()), "ev", inner))
    assert found.raw["ev"].to_pylist() == ['{"b":"ok"}']
    assert json.loads(found.quarantined["row"][0].as_py())["ev"] == {"b": {"base64": "/w=="}}


def test_quarantine_keeps_every_source_column_in_the_order_of_the_rows():
    batch = table(row(None, ts="x", eventdate=5), row(pn="..", ts=None), row(), row("", cat=None))
    batch = with_column(batch, "blob", pa.array([b"\x00", None, b"", b"a"]))
    found = judged(batch, first_row=10)
    assert found.raw["source_row"].to_pylist() == [12]
    assert found.quarantined.select(["reason", "source_file", "source_row"]).to_pylist() == [
        {"reason": "no_service_tag", "source_file": "a.parquet", "source_row": 10},
        {"reason": "bad_pn", "source_file": "a.parquet", "source_row": 11},
        {"reason": "no_service_tag", "source_file": "a.parquet", "source_row": 13},
    ]
    assert [json.loads(text) for text in found.quarantined["row"].to_pylist()] == [
        {**row(None, ts="x", eventdate=5), "blob": {"base64": "AA=="}},
        {**row(pn="..", ts=None), "blob": None},
        {**row("", cat=None), "blob": {"base64": "YQ=="}},
    ]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (pa.timestamp("ns"), 1, "1970-01-01T00:00:00.000000001Z"),
        (pa.timestamp("s"), 400_000_000_000, "14645-06-30T15:06:40Z"),
        (pa.timestamp("us", "No/Such_Zone"), 0, "1970-01-01T00:00:00Z"),
        (pa.timestamp("us"), 2**63 - 1, None),
        (pa.time64("ns"), 1, "00:00:00.000000001"),
        (pa.duration("ns"), 1, 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("deep", [False, True], ids=["flat", "deep"])
def test_quarantine_takes_times_that_python_cannot_hold(kind, value, expected, deep):
    column = pa.array([value, 0], pa.int64()).cast(kind)
    if deep:
        column = pa.StructArray.from_arrays([column, broken(b"\xff", b"ok")], ["t", "s"])
    (refused,) = judged(with_column(table(row(None), row()), "extra", column)).quarantined.to_pylist()
    found = json.loads(refused["row"])["extra"]
    assert found == ({"t": expected, "s": {"base64": "/w=="}} if deep else expected)


@pytest.mark.parametrize(
    "broken_column",
    [
        pa.StructArray.from_arrays(
            [pa.DictionaryArray.from_arrays(pa.array([1, 0, None], pa.int8()), broken(b"ok", b"\xff"))], ["s"]
        ),
        pa.ListArray.from_arrays([0, 1, 2, 2], broken(b"\xff", b"ok")),
        pa.ListViewArray.from_arrays([1, 0, 0], [1, 1, 0], broken(b"ok", b"\xff")),
        pa.FixedSizeListArray.from_arrays(broken(b"\xff", b"ok", b"ok"), 1),
        pa.ExtensionArray.from_storage(pa.json_(pa.string()), broken(b"\xff", b"1", b"2")),
    ],
    ids=lambda column: str(column.type),
)
def test_one_broken_string_refuses_its_row_alone(broken_column):
    batch = with_column(table(row(), row(), row()), "extra", broken_column)
    assert reasons(batch) == [(0, "bad_utf8")]
    assert judged(batch).raw["extra"].validate(full=True) is None


def test_raw_keeps_other_columns_and_renames_those_of_the_lake():
    batch = with_column(with_column(table(row(), row()), "WEEK", pa.array([1, 2])), "source_row", pa.array(["x", None]))
    raw = judged(batch, first_row=3).raw
    assert raw.column_names == [
        *("service_tag", "cat", "ev", "ts", "eventdate", "source_WEEK", "source_source_row"),
        *("source_file", "source_row", "pn"),
    ]
    assert raw["source_WEEK"].to_pylist() == [1, 2]
    assert raw["source_source_row"].to_pylist() == ["x", None]
    assert raw["source_row"].to_pylist() == [3, 4]
    assert raw["source_file"].to_pylist() == ["a.parquet"] * 2


def test_optional_columns_may_be_missing():
    raw = judged(table(row()).select(["ev", "cat", "service_tag"])).raw
    assert raw.select(["pn", "ts", "eventdate"]).to_pylist() == [{"pn": "UNKNOWN", "ts": None, "eventdate": None}]


def test_unusable_eventdates_are_counted():
    batch = with_column(table(row(), row(), row()), "eventdate", pa.array(["x", None, "5"]))
    found = judged(batch)
    assert found.unusable_eventdates == 1
    assert found.raw["eventdate"].to_pylist() == [None, None, 5]


def test_no_rows_are_good():
    batch = pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in ("service_tag", "cat", "ev")})
    found = judged(batch)
    assert (len(found.raw), len(found.quarantined)) == (0, 0)
