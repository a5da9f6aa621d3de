"""What stands in `ev`: whatever it is, the row stays, with a status that says what was wrong."""

from __future__ import annotations

import importlib.util
import json
from typing import NamedTuple

import pyarrow as pa
import pytest

from tests.drops import TEN, Chain, broken, ev, row, table

KERNELS = ["python", *(["native"] if importlib.util.find_spec("eventlog_kernel") else [])]
MIB = 1_048_576


def padded(size: int) -> str:
    """An event of exactly so many bytes."""
    frame = len(ev(TimeStamp=TEN, text=""))
    return ev(TimeStamp=TEN, text="x" * (size - frame))


def nested(levels: int) -> str:
    """An event so many levels deep, itself the first."""
    return f'{{"TimeStamp":"{TEN}","a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


def with_value(value: str) -> str:
    return f'{{"TimeStamp":"{TEN}","a":{value}}}'


EVENTS: dict[str, tuple[str | None, str]] = {
    "null": (None, "null"),
    "empty": ("", "not_json"),
    "blank": (" \n", "not_json"),
    "not JSON": ("Disk failure at 0x7f", "not_json"),
    "cut off": ('{"TimeStamp":"2024-05-08T1', "not_json"),
    "single quotes": ("{'TimeStamp':'2024-05-08T10:00:00Z'}", "not_json"),
    "trailing comma": ('{"a":1,}', "not_json"),
    "two objects": ("{}{}", "not_json"),
    "byte order mark": ("\ufeff{}", "not_json"),
    "a number": ("17", "not_object"),
    "a string": ('"text"', "not_object"),
    "true": ("true", "not_object"),
    "JSON null": ("null", "not_object"),
    "an array": ('[{"TimeStamp":"2024-05-08T10:00:00Z"}]', "not_object"),
    "double-encoded": (json.dumps(ev(TimeStamp=TEN)), "not_object"),
    "an empty object": ("{}", "ok"),
    "white space around": (f"\n {ev(TimeStamp=TEN)} \t", "ok"),
    "100 levels": (nested(100), "ok"),
    "101 levels": (nested(101), "too_deep"),
    "100,000 levels": (nested(100_000), "too_deep"),
    "brackets that never close": ("[" * 200_000, "too_deep"),
    "brackets in a string": (ev(TimeStamp=TEN, a="[{" * 500), "ok"),
    "101 levels of no JSON": ("[" * 101 + "oops", "too_deep"),
    "1 MiB": (padded(MIB), "ok"),
    "1 MiB and a byte": (padded(MIB + 1), "too_big"),
    "over 1 MiB in bytes, not in letters": (ev(TimeStamp=TEN, a="ä" * 600_000), "too_big"),
    "3 MiB of brackets": ("[" * 3 * MIB, "too_big"),
    "NaN": (with_value("NaN"), "not_json"),
    "Infinity": (with_value("Infinity"), "not_json"),
    "-Infinity": (with_value("-Infinity"), "not_json"),
    "1e400": (with_value("1e400"), "not_json"),
    "integer of 5,000 digits": (with_value("9" * 5_000), "not_json"),
    "integer of 25 digits": (with_value("9" * 25), "ok"),
    "lone surrogate": (with_value('"\\ud800"'), "not_json"),
    "surrogate pair": (with_value('"\\ud83d\\ude00"'), "ok"),
    "escaped NUL": (with_value('"\\u0000"'), "ok"),
    "raw NUL": (with_value('"\0"'), "not_json"),
    "NUL behind": (ev(TimeStamp=TEN) + "\0", "not_json"),
    "repeated keys": (f'{{"TimeStamp":"1999","a":1,"a":2,"TimeStamp":"{TEN}"}}', "ok"),
    "empty key": (f'{{"":1,"TimeStamp":"{TEN}"}}', "ok"),
    "other alphabets": (ev(TimeStamp=TEN, Gerät="Größe 漢字 😀"), "ok"),
}


class Seen(NamedTuple):
    """One row of clean, as a device of the same name has it."""

    status: str
    ev: str | None
    time: object
    key: str | None


@pytest.fixture(scope="module", params=KERNELS)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """All of these events in one drop, each of a device of its own."""
    chain = Chain(tmp_path_factory.mktemp("events"))
    chain.drop({"events.parquet": table(*(row(name, ev=text) for name, (text, _) in EVENTS.items()))})
    chain.run(kernel=request.param)
    columns = ["service_tag", "ev_status", "ev", "valid_timestamp", "event_key"]
    rows = chain.rows("clean").select(columns).to_pylist()
    assert len(rows) == len(EVENTS)
    return {r["service_tag"]: Seen(r["ev_status"], r["ev"], r["valid_timestamp"], r["event_key"]) for r in rows}


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_kept_as_it_was_with_what_is_wrong_with_it(seen: dict[str, Seen], name: str) -> None:
    text, status = EVENTS[name]
    assert (seen[name].status, seen[name].ev) == (status, text)


@pytest.mark.parametrize("name", EVENTS)
def test_only_an_event_that_is_ok_is_looked_into(seen: dict[str, Seen], name: str) -> None:
    has_time = seen[name].status == "ok" and name != "an empty object"
    assert (seen[name].time is not None) == has_time
    assert (seen[name].key is not None) == has_time


@pytest.mark.parametrize("kernel", KERNELS)
def test_of_repeated_keys_the_last_counts(chain: Chain, kernel: str) -> None:
    once, twice = ev(TimeStamp=TEN, a=2), f'{{"TimeStamp":"x","a":1,"a":2,"TimeStamp":"{TEN}"}}'
    chain.drop({"a.parquet": table(row(ev=once), row(ev=twice))})
    chain.run(kernel=kernel)
    assert chain.rows("clean")["copies"].to_pylist() == [2]


BROKEN = {
    "service_tag": "bad_utf8",
    "cat": "bad_utf8",
    "ev": "bad_utf8",
    "pn": "bad_utf8",
    "ts": "bad_utf8",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("encoded", [True, False], ids=["dictionary", "plain"])
def test_a_string_that_is_not_utf8_goes_to_quarantine_alone(chain: Chain, name: str, encoded: bool) -> None:
    three = table(row("T1"), row("T2"), row("T3"))
    column = broken(b"fine", b"\xff\xfe broken \xc3\x28", b"also fine")
    chain.drop({"a.parquet": three.set_column(three.column_names.index(name), name, column)}, use_dictionary=encoded)
    chain.run()
    quarantine = chain.quarantine().to_pylist()
    assert [(q["reason"], q["source_row"]) for q in quarantine] == [("bad_utf8", 1)]
    assert name in quarantine[0]["detail"]
    assert json.loads(quarantine[0]["row"])[name] == {"base64": "//4gYnJva2VuIMMo"}
    assert sorted(chain.rows("ingest")["source_row"].to_pylist()) == [0, 2]


def test_binary_that_is_not_utf8_and_broken_strings_inside_other_columns_go_to_quarantine(chain: Chain) -> None:
    two = table(row("T1"), row("T2"))
    inner = pa.StructArray.from_arrays([broken(b"fine", b"\x80")], names=["a"])
    chain.drop(
        {
            "binary.parquet": two.set_column(3, "ev", pa.array([ev(a=1).encode(), b'{"a":"\xff"}'])),
            "extra.parquet": two.append_column("extra", broken(b"\xe4", b"fine")),
            "nested.parquet": two.append_column("deep", inner),
        }
    )
    chain.run()
    quarantine = chain.quarantine().select(["source_file", "source_row", "reason"]).to_pylist()
    assert [tuple(q.values()) for q in quarantine] == [
        ("binary.parquet", 1, "bad_utf8"),
        ("extra.parquet", 0, "bad_utf8"),
        ("nested.parquet", 1, "bad_utf8"),
    ]
    assert chain.manifest("clean").ledger["raw_rows"] == 3
