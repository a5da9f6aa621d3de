"""The record of erased devices, and whose rows a file holds."""

import json

import pyarrow as pa
import pytest

from services.contracts import layout
from services.contracts.errors import BadInputError
from services.contracts.manifest import Manifest
from services.lake.device_rows import rows_of, without_devices
from services.lake.erasures import Erasures, drop_digest, read_erasures, record_erasure, require_known
from services.lake.local import LocalStore
from services.lake.store import NotWrittenError
from tests.drops import broken, row, table

DROP, OTHER = [("2024-05-10/a.parquet", "1-1")], [("2024-05-10/a.parquet", "2-2")]


@pytest.fixture
def lake(tmp_path):
    return LocalStore(tmp_path)


def test_nothing_is_left_out_where_nothing_was_erased(lake):
    erasures = read_erasures(lake)
    assert erasures == Erasures()
    assert erasures.due("2024-05-10", DROP) == ()


def test_the_record_holds_no_tag_in_clear_and_another_lake_names_the_device_otherwise(lake, tmp_path):
    record_erasure(lake, "5CG1234XYZ", {})
    other = record_erasure(LocalStore(tmp_path / "other", create=True), "5CG1234XYZ", {})
    text = (tmp_path / layout.ERASURES).read_text()
    assert "5CG1234XYZ" not in text
    assert json.loads(text)["devices"][0]["device"] != other.devices[0].device


def test_a_device_is_due_in_every_drop_but_those_that_are_known_not_to_hold_it(lake):
    erasures = record_erasure(lake, "T1", {"2024-05-10": drop_digest(DROP)})
    assert erasures.due("2024-05-10", DROP) == ()
    assert erasures.due("2024-05-10", OTHER) == (erasures.device("T1"),)
    assert erasures.due("2024-05-17", DROP) == (erasures.device("T1"),)


def test_a_device_is_recorded_once_and_what_was_known_of_it_stays(lake):
    first = record_erasure(lake, "T1", {"2024-05-10": drop_digest(DROP)})
    assert record_erasure(lake, "T1", {}) == first
    both = record_erasure(lake, "T2", {})
    assert both.generation == 2
    assert [e.device for e in both.devices] == [both.device("T1"), both.device("T2")]


def test_a_matcher_knows_the_devices_that_it_was_made_for(lake):
    record_erasure(lake, "T1", {})
    erasures = record_erasure(lake, "T2", {})
    is_erased = erasures.matcher([erasures.device("T2")])
    assert [is_erased(tag) for tag in ("T1", "T2", "t2", "")] == [False, True, False, False]


@pytest.mark.parametrize("applied", [True, False], ids=["lost answer", "refused"])
def test_a_write_that_nobody_knows_of_is_looked_at_again(lake, monkeypatch, applied):
    put, calls = LocalStore.put, []

    def unsure(store, key, body, expected):
        calls.append(key)
        if len(calls) == 1:
            if applied:
                put(store, key, body, expected)
            raise NotWrittenError(key)
        return put(store, key, body, expected)

    monkeypatch.setattr(LocalStore, "put", unsure)
    erasures = record_erasure(lake, "T1", {})
    assert len(erasures.devices) == 1
    assert erasures.due("2024-05-10", DROP) == (erasures.device("T1"),)


def test_a_record_that_is_none_stops_everything_and_says_what_to_do(lake, tmp_path):
    (tmp_path / "_control").mkdir()
    (tmp_path / layout.ERASURES).write_text("{")
    with pytest.raises(BadInputError, match="restore it from a backup"):
        read_erasures(lake)


def test_a_record_that_lost_a_device_stops_the_week_that_was_made_without_it(chain):
    chain.drop({"a.parquet": table(row("T1"), row("T2"))})
    lake = LocalStore(chain.lake, create=True)
    record_erasure(lake, "T1", {})
    chain.ingest()
    published: Manifest = chain.manifest("ingest")
    require_known(lake, published)
    (chain.lake / layout.ERASURES).unlink()
    with pytest.raises(BadInputError, match="no longer names a device"):
        chain.ingest(force=True)


TAGS = pa.array(["T1", " T1\u00a0", None, "T2", "t1"])


@pytest.mark.parametrize(
    "tags",
    [
        TAGS,
        TAGS.cast(pa.large_string()),
        TAGS.cast(pa.string_view()),
        TAGS.dictionary_encode(),
        pa.chunked_array([TAGS[:2], TAGS[2:]]),
        pa.chunked_array([TAGS[:2].dictionary_encode(), TAGS[2:].dictionary_encode()]),
    ],
    ids=["string", "large", "view", "dictionary", "chunks", "chunks of dictionaries"],
)
def test_rows_are_a_devices_by_the_trimmed_tag_in_any_string_form(tags):
    found = rows_of(pa.table({"service_tag": tags}), "T1".__eq__)
    assert found.tolist() == [True, True, False, False, False]


def test_no_rows_are_nobodys():
    assert rows_of(pa.table({"service_tag": pa.array([], pa.string())}), "T1".__eq__).tolist() == []
    assert rows_of(pa.table({"service_tag": pa.nulls(2, pa.string())}), "T1".__eq__).tolist() == [False, False]


def test_a_tag_that_is_not_utf8_is_nobodys():
    rows = pa.table({"service_tag": broken(b"T1", b"T1\xff")})
    assert rows_of(rows, "T1".__eq__).tolist() == [True, False]


def test_a_refused_row_is_a_devices_by_its_json():
    rows = [
        {"service_tag": " T1 ", "ev": "x"},
        {"service_tag": {"base64": "VDH/"}},
        {"service_tag": None, "ev": "T1"},
        {"ev": '{"service_tag":"T1"}'},
    ]
    refused = pa.table({"row": [json.dumps(one) for one in rows], "reason": ["bad_pn"] * 4})
    assert rows_of(refused, "T1".__eq__).tolist() == [True, False, False, False]
    assert without_devices(refused, "T1".__eq__).num_rows == 3
