"""Files that cannot be read, or that say what is not true."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.bad_input.footer import Claim, varint, write_claiming
from tests.bad_input.user import User, untouched
from tests.drops import WEEK, ev, row, table

ADVICE = ("Nothing was published", "Ask the sender for it again", "EVENTLOG_ON_BAD_FILE=skip")
MANY = [row(f"T{n}", ev=ev(TimeStamp="2024-05-08T10:00:00Z", n=n, text=os.urandom(40).hex())) for n in range(2_000)]


def empty(path: Path) -> None:
    path.write_bytes(b"")


def magic_alone(path: Path) -> None:
    path.write_bytes(b"PAR1")


def other_format(path: Path) -> None:
    path.write_text("service_tag,cat,ev\nT1,Info,{}\n" * 10)


def encrypted(path: Path) -> None:
    path.write_bytes(b"PARE" + b"\0" * 200 + (100).to_bytes(4, "little") + b"PARE")


def cut_in_half(path: Path) -> None:
    pq.write_table(table(*MANY), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def last_byte_lost(path: Path) -> None:
    pq.write_table(table(*MANY), path)
    path.write_bytes(path.read_bytes()[:-1])


def beginning_lost(path: Path) -> None:
    pq.write_table(table(*MANY), path)
    path.write_bytes(path.read_bytes()[100_000:])


def broken_footer(path: Path) -> None:
    pq.write_table(table(*MANY), path)
    content = bytearray(path.read_bytes())
    length = int.from_bytes(content[-8:-4], "little")
    content[-8 - length : -8 - length // 2] = b"\xff" * (length - length // 2)
    path.write_bytes(content)


def footer_longer_than_the_file(path: Path) -> None:
    path.write_bytes(b"PAR1" + b"\0" * 50 + (2**31 - 1).to_bytes(4, "little") + b"PAR1")


def _with_damage(path: Path, damage: bytes, **how: object) -> None:
    pq.write_table(table(*MANY), path, **how)
    place = pq.read_metadata(path).row_group(0).column(3).data_page_offset + 20_000
    content = bytearray(path.read_bytes())
    content[place : place + len(damage)] = damage
    path.write_bytes(content)


def corrupt_page(path: Path) -> None:
    _with_damage(path, b"\0" * 5_000, compression="zstd")


def flipped_byte_under_a_checksum(path: Path) -> None:
    _with_damage(path, b"\0", compression="none", write_page_checksum=True)


def zeros_where_a_page_begins(path: Path) -> None:
    pq.write_table(table(*MANY), path)
    place = pq.read_metadata(path).row_group(0).column(2).data_page_offset
    content = bytearray(path.read_bytes())
    content[place : place + 64] = b"\0" * 64
    path.write_bytes(content)


def name_that_is_no_text(path: Path) -> None:
    pq.write_table(table(*MANY[:3]).append_column("extra", pa.array([1, 2, 3])), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"extra", b"e\xff\xfera"))


UNREADABLE = [
    empty,
    magic_alone,
    other_format,
    encrypted,
    cut_in_half,
    last_byte_lost,
    beginning_lost,
    broken_footer,
    footer_longer_than_the_file,
    corrupt_page,
    flipped_byte_under_a_checksum,
    zeros_where_a_page_begins,
    name_that_is_no_text,
]


@pytest.mark.parametrize("make", UNREADABLE, ids=lambda make: make.__name__)
def test_an_unreadable_file_stops_ingest_and_is_named(
    user: User, week_folder: Path, make: Callable[[Path], None]
) -> None:
    make(week_folder / "bad.parquet")
    with untouched(user.chain.lake):
        user.ingest().failed(3, "bad.parquet", *ADVICE)


@pytest.mark.parametrize("make", UNREADABLE, ids=lambda make: make.__name__)
def test_an_unreadable_file_can_be_left_out(
    user: User, week_folder: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(week_folder / "bad.parquet")
    monkeypatch.setenv("EVENTLOG_ON_BAD_FILE", "skip")
    assert user.ingest().code == 0
    drop = user.chain.manifest("ingest").drop
    assert drop
    assert list(drop.skipped_files) == ["bad.parquet"]
    assert drop.rows_by_file == {"good.parquet": 9}


def test_a_drop_of_bad_files_alone_is_bad_whatever_is_left_out(
    user: User, week_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (week_folder / "good.parquet").write_bytes(b"")
    monkeypatch.setenv("EVENTLOG_ON_BAD_FILE", "skip")
    with untouched(user.chain.lake):
        user.ingest().failed(3, "good.parquet")


def test_every_fault_of_every_file_is_named_at_once(user: User, week_folder: Path) -> None:
    empty(week_folder / "a.parquet")
    cut_in_half(week_folder / "b.parquet")
    pq.write_table(pa.table({"service_tag": [1], "CAT": ["Info"], "ts": [True]}), week_folder / "c.parquet")
    with untouched(user.chain.lake):
        seen = user.ingest()
    seen.failed(3, "a.parquet", "b.parquet", "these 3 files", "Ask the sender for them again")
    for fault in (
        "c.parquet: column service_tag: has type int64, accepted are strings",
        "c.parquet: column cat: is missing (there is 'CAT'; names are case-sensitive)",
        "c.parquet: column ev: is missing",
        "c.parquet: column ts: has type bool",
    ):
        assert fault in seen.sentence


def test_a_file_without_columns_lacks_all_that_are_required(user: User, week_folder: Path) -> None:
    pq.write_table(pa.table({}), week_folder / "bad.parquet")
    with untouched(user.chain.lake):
        user.ingest().failed(
            3, *(f"bad.parquet: column {name}: is missing" for name in ("service_tag", "cat", "ev")), *ADVICE
        )


def test_files_without_rows_are_good(user: User, week_folder: Path) -> None:
    pq.write_table(table(), week_folder / "none.parquet")
    assert user.run_all().code == 0
    assert user.chain.manifest("ingest").ledger["source_rows"] == 9


def test_a_drop_without_rows_goes_through_all_stages(user: User, week_folder: Path) -> None:
    pq.write_table(table(), week_folder / "good.parquet")
    assert user.run_all().code == 0
    assert user.chain.manifest("ingest").ledger == {
        "source_rows": 0,
        "raw_rows": 0,
        "quarantined_rows": 0,
        "erased_rows": 0,
    }
    assert user.chain.manifest("clean").ledger["clean_rows"] == 0
    assert user.chain.device_features().num_rows == 0
    # Products that the week had before are files without rows now.
    assert {pn: part.num_rows for pn, part in user.chain.partitions("clean").items()} == {
        "A7": 0,
        "I13": 0,
        "UNKNOWN": 0,
    }


def test_what_is_no_source_file_is_left_alone_and_named_in_the_log(user: User, week_folder: Path) -> None:
    for name in ("_SUCCESS", "_bad.parquet", ".bad.parquet", "notes.txt", "data.parquet.crc", "bad.PARQUET"):
        (week_folder / name).write_bytes(b"rubbish")
    (week_folder / "below").mkdir()
    (week_folder / "below" / "bad.parquet").write_bytes(b"rubbish")
    seen = user.ingest("--force", "-q")
    assert seen.code == 0
    assert f"{WEEK}/below/bad.parquet" in seen.err, "somebody may have meant it as data"
    seen = user.ingest("--force")
    assert seen.code == 0
    assert user.chain.manifest("ingest").ledger["source_rows"] == 9
    for name in ("_SUCCESS", "_bad.parquet", ".bad.parquet", "notes.txt", "data.parquet.crc", "bad.PARQUET"):
        assert f"{WEEK}/{name}" in seen.err


GIGABYTES = 8 * 1024**3


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        pytest.param(Claim(compressed=GIGABYTES), "claims", id="more bytes than the file has"),
        pytest.param(Claim(uncompressed=1000 * GIGABYTES), "claims", id="unpacked bytes that no codec packs so small"),
        pytest.param(Claim(compressed=-5), "", id="bytes below zero"),
        pytest.param(Claim(uncompressed=-5), "", id="unpacked bytes below zero"),
        pytest.param(Claim(page_uncompressed=2**31 - 1), "", id="a page of two gigabytes"),
        pytest.param(Claim(page_uncompressed=-1), "", id="a page below zero"),
        pytest.param(Claim(rows=2**40, group_rows=2**40, values=2**40), "", id="a trillion rows"),
        pytest.param(Claim(rows=2**62), "claims", id="more rows than its row groups"),
        pytest.param(Claim(rows=-1, group_rows=-1, values=-1), "", id="rows below zero"),
    ],
)
def test_a_tiny_file_that_claims_much_is_bad_and_takes_no_memory(
    user: User, week_folder: Path, claim: Claim, words: str
) -> None:
    write_claiming(week_folder / "bad.parquet", claim)
    assert (week_folder / "bad.parquet").stat().st_size < 300
    with untouched(user.chain.lake):
        user.ingest().failed(3, "bad.parquet", words, *ADVICE)


@pytest.mark.parametrize(
    "claim",
    [
        Claim(rows=3, group_rows=2, values=2),
        Claim(rows=2, group_rows=2, values=3),
        Claim(rows=3, group_rows=2, values=3),
    ],
)
def test_a_footer_whose_counts_disagree_makes_the_file_bad(user: User, week_folder: Path, claim: Claim) -> None:
    """Rows beyond those that it counts would otherwise be lost in silence."""
    write_claiming(week_folder / "bad.parquet", claim)
    with untouched(user.chain.lake):
        user.ingest().failed(3, "bad.parquet: its footer claims", "rows", *ADVICE)


@pytest.mark.parametrize("rows", [2_001, 1_000_000])
def test_a_footer_that_counts_more_rows_than_there_are_makes_the_file_bad(
    user: User, week_folder: Path, rows: int
) -> None:
    """The same number at every place of the footer, so that only reading the rows can tell."""
    path = week_folder / "bad.parquet"
    pq.write_table(table(*MANY), path)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    data, footer = content[: -8 - length], content[-8 - length : -8]
    footer = footer.replace(varint(2_000 << 1), varint(rows << 1))
    path.write_bytes(data + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with untouched(user.chain.lake):
        user.ingest().failed(3, "bad.parquet", *ADVICE)
