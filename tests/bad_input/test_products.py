"""What stands in `pn` and `service_tag`: it names folders and devices."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.lake.local import LocalStore
from tests.bad_input.user import User, untouched
from tests.drops import WEEK, Chain, row, table

FOLDERS = {
    "I13": "I13",
    "007": "007",
    "a/b": "a%2Fb",
    "../../etc": "..%2F..%2Fetc",
    "...": "...",
    "100%": "100%25",
    "%2F": "%252F",
    "pn=I13": "pn%3DI13",
    "Inspiron 13 7000": "Inspiron%2013%207000",
    "C:\\temp": "C%3A%5Ctemp",
    "Größe": "Gr%C3%B6%C3%9Fe",
    "ノート": "%E3%83%8E%E3%83%BC%E3%83%88",
    "a'b\"c": "a%27b%22c",
    "*?[x]": "%2A%3F%5Bx%5D",
    "~.-_": "~.-_",
    "null": "null",
    "__HIVE_DEFAULT_PARTITION__": "__HIVE_DEFAULT_PARTITION__",
    "x" * 200: "x" * 200,
    "ä" * 33 + "xx": "%C3%A4" * 33 + "xx",  # 200 bytes once encoded
    "i13": "i13",
}
UNKNOWN = [None, "", "  ", "\t\u3000", "UNKNOWN", " UNKNOWN "]
BAD = [".", "..", " .. ", "a\0b", "a\nb", "a\x7fb", "a\x85b", "x" * 201, "ä" * 34, "x" * 100_000]


def test_every_name_has_its_folder_and_can_be_read_back(chain: Chain) -> None:
    chain.drop({"a.parquet": table(*(row(f"T{n}", pn=pn) for n, pn in enumerate(FOLDERS)))})
    chain.run()
    for zone in ("raw", "clean"):
        folder = chain.lake / zone / "event_log" / f"week={WEEK}"
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}
        assert found == {f"pn={encoded}/{WEEK}_{encoded}.parquet" for encoded in FOLDERS.values()}
        assert {unquote(path.parent.name.removeprefix("pn=")) for path in folder.rglob("*.parquet")} == set(FOLDERS)
    tags = {f"T{n}": pn for n, pn in enumerate(FOLDERS)}
    features = chain.device_features().to_pylist()
    assert {r["service_tag"]: r["dominate_pn"] for r in features} == tags
    drop = chain.manifest("ingest").drop
    assert drop
    assert drop.rows_by_pn == dict.fromkeys(sorted(FOLDERS, key=str.encode), 1)


def test_no_name_is_unknown(chain: Chain) -> None:
    chain.drop({"a.parquet": table(*(row(f"T{n}", pn=pn) for n, pn in enumerate(UNKNOWN)))})
    chain.run()
    assert {pn: part.num_rows for pn, part in chain.partitions("clean").items()} == {"UNKNOWN": len(UNKNOWN)}


def test_a_name_that_cannot_be_a_folder_goes_to_quarantine(chain: Chain) -> None:
    chain.drop({"a.parquet": table(*(row(f"T{n}", pn=pn) for n, pn in enumerate(["I13", *BAD])))})
    chain.run()
    found = chain.quarantine().to_pylist()
    assert [(q["source_row"], q["reason"]) for q in found] == [(n + 1, "bad_pn") for n in range(len(BAD))]
    assert all("pn cannot name a folder" in q["detail"] for q in found)
    assert list(chain.partitions("clean")) == ["I13"]
    ledger = chain.manifest("ingest").ledger
    assert ledger == {"source_rows": 11, "raw_rows": 1, "quarantined_rows": 10, "erased_rows": 0}


def test_white_space_around_a_name_is_no_part_of_it(chain: Chain) -> None:
    chain.drop({"a.parquet": table(row("T1", pn=" I13\n"), row("T2", pn="\u00a0I13"), row("T3", pn="I13"))})
    chain.run()
    assert {pn: part.num_rows for pn, part in chain.partitions("clean").items()} == {"I13": 3}


def test_a_number_is_its_digits_and_zeros_before_it_are_only_kept_in_a_string(chain: Chain) -> None:
    number = table(row("T1")).set_column(1, "pn", pa.array([7]))
    chain.drop({"a.parquet": number, "b.parquet": table(row("T2", pn="007"))})
    chain.run()
    assert list(chain.partitions("clean")) == ["007", "7"]


def test_names_that_differ_only_in_case_are_two_products(chain: Chain) -> None:
    chain.drop({"a.parquet": table(row("T1", pn="Ab"), row("T2", pn="aB"))})
    chain.run()
    assert {pn: part["service_tag"].to_pylist() for pn, part in chain.partitions("clean").items()} == {
        "Ab": ["T1"],
        "aB": ["T2"],
    }


def test_names_that_differ_only_in_case_stop_ingest_where_they_would_be_one_file(
    user: User, week_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalStore, "folds_case", lambda _: True)
    pq.write_table(table(row("T1", pn="Ab"), row("T2", pn="aB"), row("T3", pn="I14")), week_folder / "good.parquet")
    with untouched(user.chain.lake):
        user.ingest().failed(3, WEEK, "pn", "Ab", "aB", "differ only in case", "on a case-sensitive one or on S3")


def test_a_name_that_would_overwrite_one_of_an_earlier_drop_stops_ingest_too(
    user: User, week_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The week has I13 already; as i13 it would be the same file, and the file without rows that I13 becomes."""
    monkeypatch.setattr(LocalStore, "folds_case", lambda _: True)
    pq.write_table(table(row("T1", pn="i13")), week_folder / "good.parquet")
    with untouched(user.chain.lake):
        user.ingest().failed(3, WEEK, "pn", "I13", "i13", "differ only in case")


@pytest.mark.parametrize("tag", [None, "", "   ", "\t\n", "\u3000\u00a0"])
def test_a_row_without_a_device_goes_to_quarantine(chain: Chain, tag: str | None) -> None:
    chain.drop({"a.parquet": table(row("T1"), row(tag), row("T2"))})
    chain.run()
    quarantine = chain.quarantine().to_pylist()
    assert [(q["reason"], q["source_row"]) for q in quarantine] == [("no_service_tag", 1)]
    assert quarantine[0]["detail"] == "service_tag is null or blank"
    assert chain.device_features()["service_tag"].to_pylist() == ["T1", "T2"]


def test_a_column_of_nulls_alone_is_a_drop_in_quarantine(chain: Chain) -> None:
    two = table(row("T1"), row("T2"))
    chain.drop({"a.parquet": two.set_column(0, "service_tag", pa.nulls(2))})
    chain.run()
    assert chain.manifest("ingest").ledger == {"source_rows": 2, "raw_rows": 0, "quarantined_rows": 2, "erased_rows": 0}
    assert chain.device_features().num_rows == 0


def test_odd_devices_are_kept_as_they_are(chain: Chain) -> None:
    tags = ["T\0", "T\x1f", "😀", "ﬁ", "x" * 70_000, "Z", "a", "Ä"]
    chain.drop({"a.parquet": table(*(row(tag) for tag in tags))})
    chain.run()
    assert chain.device_features()["service_tag"].to_pylist() == sorted(tags, key=str.encode)
