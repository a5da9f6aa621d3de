"""Ingest of tiny drops, from the folder to the lake."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.contracts import layout
from services.contracts.errors import BadFilesError, BadInputError, GateError, LedgerError, NotReadyError
from services.contracts.tables import QUARANTINE, RAW, raw_schema
from services.ingest import batches, job, runs, spill
from services.lake.local import LocalStore
from tests.drops import NEXT_WEEK, WEEK, broken, row, table


def test_rows_lie_in_the_file_of_their_week_and_pn_sorted_by_device_and_identity(chain):
    chain.drop(
        {
            "b.parquet": table(row("T2"), row("T1", pn="a/b")),
            "a.parquet": table(row("T2"), row("T1"), row("T1", pn=None), row("T2", pn=" I13 ")),
        }
    )
    outcome = chain.ingest()
    assert outcome.kind == "published"
    found = {
        pn: list(zip(*(part[c].to_pylist() for c in RAW.order), strict=True))
        for pn, part in chain.partitions("ingest").items()
    }
    assert found == {
        "I13": [
            ("T1", "a.parquet", 1),
            ("T2", "a.parquet", 0),
            ("T2", "a.parquet", 3),
            ("T2", "b.parquet", 0),
        ],
        "UNKNOWN": [("T1", "a.parquet", 2)],
        "a/b": [("T1", "b.parquet", 1)],
    }
    assert (chain.lake / "raw/event_log/week=2024-05-10/pn=a%2Fb/2024-05-10_a%2Fb.parquet").is_file()
    assert chain.manifest("ingest").ledger == {"source_rows": 6, "raw_rows": 6, "quarantined_rows": 0, "erased_rows": 0}


def test_files_have_the_schema_of_the_contract_and_say_their_generation(chain):
    chain.drop({"a.parquet": table(row()).append_column("Region", pa.array([1], pa.int8()))})
    chain.ingest()
    raw = pq.ParquetFile(chain.lake / layout.partition_key("ingest", WEEK, "I13"))
    assert raw.schema_arrow.remove_metadata() == raw_schema(pa.schema([("Region", pa.int8())]))
    assert raw.metadata.metadata[b"eventlog.generation"] == b"1"
    quarantine = pq.ParquetFile(chain.lake / layout.quarantine_key(WEEK))
    assert quarantine.schema_arrow.remove_metadata() == QUARANTINE.schema
    assert quarantine.metadata.num_rows == 0


def test_quarantine_is_written_and_counted_by_reason(chain):
    spoilt = table(row(), row()).set_column(0, "service_tag", broken(b"T1", b"\xff"))
    chain.drop({"b.parquet": table(row(None), row(pn="..")), "a.parquet": spoilt})
    chain.ingest()
    found = chain.quarantine().select(["reason", "source_file", "source_row"]).to_pylist()
    assert [tuple(refused.values()) for refused in found] == [
        ("bad_utf8", "a.parquet", 1),
        ("no_service_tag", "b.parquet", 0),
        ("bad_pn", "b.parquet", 1),
    ]
    manifest = chain.manifest("ingest")
    assert manifest.drop.quarantined == {"bad_utf8": 1, "no_service_tag": 1, "bad_pn": 1}
    assert manifest.ledger == {"source_rows": 4, "raw_rows": 1, "quarantined_rows": 3, "erased_rows": 0}


def test_manifest_says_what_came(chain):
    tall = table(row(eventdate=None)).set_column(5, "eventdate", pa.array(["x"]))
    chain.drop({"a.parquet": tall, "empty.parquet": table(row()).slice(1), "b.parquet": table(row(), row(pn=None))})
    chain.ingest()
    drop = chain.manifest("ingest").drop
    assert drop.rows_by_file == {"a.parquet": 1, "b.parquet": 2, "empty.parquet": 0}
    assert drop.rows_by_pn == {"I13": 2, "UNKNOWN": 1}
    assert drop.unusable_eventdates == 1
    assert drop.raw_bytes == sum(path.stat().st_size for path in (chain.root / "source" / WEEK).iterdir())
    assert drop.raw_bytes_previous is None
    chain.drop({"a.parquet": table(row())}, NEXT_WEEK)
    chain.ingest(NEXT_WEEK)
    assert chain.manifest("ingest", NEXT_WEEK).drop.raw_bytes_previous == drop.raw_bytes


def test_zero_rows_are_good(chain):
    chain.drop({"a.parquet": table(row()).slice(1)})
    assert [outcome.kind for outcome in chain.run()] == ["published"] * 3
    assert chain.partitions("ingest") == {}
    assert chain.manifest("ingest").drop.rows_by_file == {"a.parquet": 0}
    assert len(chain.device_features()) == len(chain.error_events()) == 0


def test_a_partition_that_vanishes_becomes_a_file_without_rows(chain):
    chain.drop({"a.parquet": table(row(), row(pn="I14"))})
    chain.run()
    chain.drop({"a.parquet": table(row())})
    chain.run()
    for stage in ("ingest", "clean"):
        assert {pn: len(part) for pn, part in chain.partitions(stage).items()} == {"I13": 1, "I14": 0}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read as Parquet"),
        (b"PAR1", "cannot be read as Parquet"),
        (b"x" * 1000, "cannot be read as Parquet"),
    ],
)
def test_a_file_that_is_no_parquet_stops_ingest_and_leaves_the_lake_alone(chain, content, reason):
    chain.drop({"a.parquet": table(row())})
    (chain.root / "source" / WEEK / "bad.parquet").write_bytes(content)
    with pytest.raises(BadFilesError, match=r"bad\.parquet") as caught:
        chain.ingest()
    assert reason in str(caught.value)
    assert caught.value.exit_code == 3
    assert chain.published() == {}


def damaged(path):
    """A file whose footer is whole and whose pages are not."""
    content = bytearray(path.read_bytes())
    for place in range(4, min(400, len(content) // 2)):
        content[place] ^= 0xFF
    path.write_bytes(content)


def test_skipping_bad_files_goes_on_without_them_and_says_so(chain):
    good = table(*[row(f"T{n}") for n in range(50)])
    chain.drop(
        {
            "good.parquet": good,
            "lossy.parquet": good.rename_columns(["service_tag", "pn", "cat", "EV", "ts", "eventdate"]),
        }
    )
    chain.drop({"good.parquet": good, "lossy.parquet": good.drop_columns("ev"), "torn.parquet": good})
    damaged(chain.root / "source" / WEEK / "torn.parquet")
    with pytest.raises(BadFilesError, match=r"lossy\.parquet: column ev: is missing"):
        chain.ingest()
    chain.ingest(on_bad_file="skip")
    drop = chain.manifest("ingest").drop
    assert sorted(drop.skipped_files) == ["lossy.parquet", "torn.parquet"]
    assert drop.rows_by_file == {"good.parquet": 50}
    assert set(chain.rows("ingest")["source_file"].to_pylist()) == {"good.parquet"}


def test_every_damaged_file_among_small_ones_is_named(chain):
    good = table(*[row(f"T{n}") for n in range(50)])
    chain.drop(dict.fromkeys(["a.parquet", "b.parquet", "c.parquet", "d.parquet"], good))
    for name in ("a.parquet", "c.parquet"):
        damaged(chain.root / "source" / WEEK / name)
    with pytest.raises(BadFilesError) as caught:
        chain.ingest()
    assert [fault.file for fault in caught.value.faults] == ["a.parquet", "c.parquet"]
    assert chain.published() == {}
    chain.ingest(on_bad_file="skip")
    assert chain.manifest("ingest").drop.rows_by_file == {"b.parquet": 50, "d.parquet": 50}
    assert chain.manifest("ingest").ledger["raw_rows"] == 100


def test_skipping_every_file_is_bad_input(chain):
    chain.drop({"a.parquet": table(row()).drop_columns("cat")})
    with pytest.raises(BadFilesError):
        chain.ingest(on_bad_file="skip")


def test_columns_that_differ_only_in_case_across_files_are_a_fault_of_the_later_file(chain):
    one = table(row()).append_column("Region", pa.array(["x"]))
    chain.drop({"a.parquet": one, "b.parquet": one.rename_columns([*one.column_names[:-1], "region"])})
    with pytest.raises(BadFilesError, match=r"b\.parquet: column region: is spelt Region in another file"):
        chain.ingest()


@pytest.mark.parametrize("prepare", ["nothing", "empty folder", "hidden files only"])
def test_a_drop_that_is_not_there_is_not_ready(chain, prepare):
    (chain.root / "source").mkdir()
    if prepare != "nothing":
        chain.drop({"_a.parquet": table(row())} if prepare.startswith("hidden") else {})
    with pytest.raises(NotReadyError):
        chain.ingest()


def test_a_drop_that_is_still_arriving_is_not_ready(chain):
    chain.drop({"a.parquet": table(row())})
    with pytest.raises(NotReadyError, match="EVENTLOG_SETTLE_SECONDS=900"):
        chain.ingest(settle_seconds=900)


def test_too_many_products_name_the_largest(chain, monkeypatch):
    monkeypatch.setattr(job, "MAX_PARTITIONS", 2)
    chain.drop({"a.parquet": table(row(pn="A"), row(pn="B"), row(pn="C"), row(pn="C"))})
    with pytest.raises(BadInputError, match=r"column pn has 3 values.*C \(2 rows\)"):
        chain.ingest()
    assert chain.published() == {}


def test_pn_that_differ_only_in_case_are_refused_where_they_would_be_one_file(chain, monkeypatch):
    chain.drop({"a.parquet": table(row(pn="i13"), row(pn="I13"), row(pn="I14"))})
    with monkeypatch.context() as folding:
        folding.setattr(LocalStore, "folds_case", lambda _: True)
        with pytest.raises(BadInputError, match="pn I13 and i13 differ only in case"):
            chain.ingest()
    chain.ingest()
    assert set(chain.partitions("ingest")) == {"i13", "I13", "I14"}


def test_a_gate_on_bytes_stops_before_anything_is_published(chain):
    chain.drop({"a.parquet": table(row())})
    with pytest.raises(GateError, match="raw_bytes"):
        chain.ingest(gate_raw_bytes=1)
    assert chain.published() == {}


def test_a_lost_row_stops_ingest(chain, monkeypatch):
    chain.drop({"a.parquet": table(row(), row("T2"))})
    merged = job.merged
    monkeypatch.setattr(job, "merged", lambda *given: ((pn, rows.slice(1)) for pn, rows in merged(*given)))
    with pytest.raises(LedgerError, match="source rows 2 is not raw 1"):
        chain.ingest()
    assert chain.published() == {}


def test_many_runs_and_tasks_give_the_same_bytes_as_one(chain, tmp_path, monkeypatch):
    rows = [row(f"T{n % 7}", pn=f"I{n % 3}", ts=str(n)) for n in range(500)] + [row(None), row(pn="..")] * 5
    chain.drop({"a.parquet": table(*rows), "b.parquet": table(*rows[::-1])}, row_group_size=40)
    chain.ingest()
    one = chain.published()
    monkeypatch.setattr(spill, "RUN_BYTES", 4_000)
    monkeypatch.setattr(spill, "_PART_BYTES", 6_000)
    monkeypatch.setattr(batches, "_BATCH_BYTES", 2_000)
    for workers in (1, 2):
        many = type(chain)(tmp_path / f"workers-{workers}")
        many.drop({"a.parquet": table(*rows), "b.parquet": table(*rows[::-1])}, row_group_size=40)
        many.ingest(workers=workers)
        assert many.published() == one


def test_small_files_share_a_run(chain, monkeypatch):
    written = []
    monkeypatch.setattr(spill, "write_run", lambda *given: written.append(runs.write_run(*given)) or written[-1])
    chain.drop({f"{n:03}.parquet": table(row(f"T{n % 7}"), row(f"T{n % 3}")) for n in range(100)})
    chain.ingest()
    assert [sum(run.rows.values()) for run in written] == [200]
    read = chain.rows("ingest").select(["service_tag", "source_file", "source_row"]).to_pylist()
    assert read == sorted(read, key=lambda found: tuple(found.values()))
    assert len(read) == 200


def test_raw_keeps_a_struct_as_json_over_batches_with_dictionaries(chain, monkeypatch):
    monkeypatch.setattr(batches, "_BATCH_BYTES", 1)
    rows = table(*[row(f"T{n % 5}") for n in range(100)])
    rows = rows.set_column(0, "service_tag", rows["service_tag"].combine_chunks().dictionary_encode())
    structs = pa.array([None if n % 3 == 0 else {"EventId": n, "L": [n]} for n in range(100)])
    chain.drop({"a.parquet": rows.set_column(3, "ev", structs)}, row_group_size=7)
    chain.ingest()
    raw = sorted(chain.rows("ingest").select(["source_row", "ev"]).to_pylist(), key=lambda found: found["source_row"])
    expected = [None if n % 3 == 0 else {"EventId": n, "L": [n]} for n in range(100)]
    assert [found["ev"] and json.loads(found["ev"]) for found in raw] == expected


def test_small_products_are_merged_with_their_neighbours_and_large_ones_come_first(monkeypatch):
    monkeypatch.setattr(job, "_SHARE_BYTES", 100)
    pns = {"A": 3, "B": 4, "C": 5, "D": 90, "E": 1, "F": 10, "G": 0}
    assert job._shares(pns, row_bytes=10) == [["D"], ["A", "B", "C"], ["E", "F"], ["G"]]
    assert job._shares({}, row_bytes=10) == []
