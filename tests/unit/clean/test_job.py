"""Clean of tiny drops, from raw to the lake."""

from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from services.clean import devices, gather, job
from services.clean.partitions import PartitionWriters
from services.contracts import layout
from services.contracts.errors import GateError, LedgerError, NotReadyError, TemporaryError
from services.contracts.tables import CLEAN
from services.lake import parquet
from tests.drops import TEN, WEEK, assert_follows_reference, ev, row, table


def test_clean_files_have_the_schema_and_the_order_of_the_contract(chain):
    events = [ev(TimeStamp="2024-05-09", EventId=1), ev(EventId=2), ev(TimeStamp="2024-05-08", EventId=3)]
    chain.drop({"a.parquet": table(*[row(tag, ev=event) for tag in ("T2", "T1") for event in events])})
    chain.ingest()
    chain.clean()
    file = pq.ParquetFile(chain.lake / layout.partition_key("clean", WEEK, "I13"))
    assert file.schema_arrow.remove_metadata() == CLEAN.schema
    found = chain.rows("clean").select(["service_tag", "source_row"]).to_pylist()
    assert [tuple(one.values()) for one in found] == [
        ("T1", 5),
        ("T1", 3),
        ("T1", 4),
        ("T2", 2),
        ("T2", 0),
        ("T2", 1),
    ]


def test_a_resend_that_lost_its_pn_merges_into_the_one_that_has_it(chain):
    chain.drop({"a.parquet": table(row(pn=None), row(pn="I13"), row(pn=""))})
    chain.ingest()
    chain.clean()
    parts = {pn: part["copies"].to_pylist() for pn, part in chain.partitions("clean").items()}
    assert parts == {"I13": [3], "UNKNOWN": []}
    counts = chain.manifest("clean").quality.counts_by_pn
    assert (counts["UNKNOWN"].resends, counts["I13"].resends) == (2, 0)
    assert chain.manifest("clean").ledger == {"raw_rows": 3, "clean_rows": 1, "resends": 2}


def test_resends_of_another_week_are_not_merged(chain):
    chain.drop({"a.parquet": table(row())})
    chain.drop({"a.parquet": table(row())}, "2024-05-17")
    chain.run(WEEK, "2024-05-17")
    assert chain.device_features()["total_events"].to_pylist() == [2]


def nasty(rows, products=5):
    """Rows of many devices over many partitions, with one device that has half of them all."""
    return [
        row(
            "GIANT" if n % 2 else f"T{n % 97:02}",
            pn=[f"P{n % products}", None][n % 5 == 0],
            ev=ev(
                TimeStamp=f"2024-05-0{n % 9 + 1}T{n % 24:02}:00:00",
                EventId=n % 500,
                SeqNo=n,
                Pad="x" * (n % 40),
            ),
            cat=["Error", "Info", "critical"][n % 3],
        )
        for n in range(rows)
    ]


def test_a_giant_device_and_hundreds_of_partitions_come_out_right_in_little_memory(chain, monkeypatch):
    drop = {"a.parquet": table(*nasty(6_000, 211)), "b.parquet": table(*nasty(1_500, 211)[::-1])}
    chain.drop(drop)
    chain.run()
    at_once = chain.published()
    little = type(chain)(chain.root / "little")
    little.drop(drop)
    monkeypatch.setattr(devices, "_CHUNK_BYTES", 20_000)
    monkeypatch.setattr(devices, "_CHUNK_BYTES_OF_PARTITION", 0)
    monkeypatch.setattr(job, "GROUP_BYTES", 20_000)
    monkeypatch.setattr(job, "_IN_MEMORY", 0)
    for name in ("_PIECE_BYTES", "_AT_ONCE_BYTES"):
        monkeypatch.setattr(gather, name, 20_000)
    little.run(workers=2, kernel="python")
    assert little.published() == at_once
    assert len(little.partitions("clean")) > 200
    assert_follows_reference(little, {WEEK: drop})


@pytest.mark.parametrize("in_memory", [0, 0.4])
def test_a_drop_of_which_little_stays_comes_out_right(chain, monkeypatch, in_memory):
    monkeypatch.setattr(job, "_IN_MEMORY", in_memory)
    drop = {f"{name}.parquet": table(*nasty(300, 40)) for name in "abcd"}
    chain.drop(drop)
    chain.run()
    assert_follows_reference(chain, {WEEK: drop})
    counts = chain.manifest("clean").quality.counts
    assert counts.clean_rows < counts.raw_rows / 3


@pytest.mark.parametrize("kernel", ["auto", "python"])
def test_a_product_with_few_rows_waits_without_those_of_others(chain, monkeypatch, kernel):
    rows = [
        row(f"T{n % 50}", pn="rare" if n % 50 == 0 else "common", ev=ev(TimeStamp=TEN, EventId=n % 500, Pad="x" * 900))
        for n in range(2_000)
    ]
    held = {}
    append = PartitionWriters.append

    def seen(writers, pn, piece):
        held[pn] = piece.rows.get_total_buffer_size()
        append(writers, pn, piece)

    monkeypatch.setattr(PartitionWriters, "append", seen)
    chain.drop({"a.parquet": table(*rows)})
    chain.run(kernel=kernel)
    assert {pn: len(found) for pn, found in chain.partitions("clean").items()} == {"common": 490, "rare": 10}
    assert held["rare"] < 20 * 1_500 < 490 * 900 < held["common"]


def test_row_groups_of_raw_change_nothing_but_their_bytes(chain, monkeypatch):
    drop = {"a.parquet": table(*nasty(800))}
    chain.drop(drop)
    chain.run()
    rows = chain.rows("clean")
    small = type(chain)(chain.root / "small")
    small.drop(drop)
    monkeypatch.setattr(parquet, "GROUP_BYTES", 500)
    small.run()
    assert small.rows("clean").equals(rows)
    path = small.lake / layout.partition_key("clean", WEEK, "UNKNOWN")
    assert pq.read_metadata(path).num_row_groups > 3


def test_python_kernel_in_processes_gives_the_same_bytes(chain, monkeypatch):
    from services.clean import kernel

    drop = {"a.parquet": table(*nasty(500))}
    chain.drop(drop)
    chain.run()
    processes = type(chain)(chain.root / "processes")
    processes.drop(drop)
    monkeypatch.setattr(kernel, "_WORTH_PROCESSES", 1)
    processes.run(workers=2, kernel="python")
    assert processes.published() == chain.published()


def test_clean_without_raw_is_not_ready(chain):
    chain.drop({"a.parquet": table(row())})
    chain.lake.mkdir()
    with pytest.raises(NotReadyError, match="run ingest"):
        chain.clean()


def test_raw_of_an_older_contract_is_not_ready(chain, monkeypatch):
    chain.drop({"a.parquet": table(row())})
    chain.ingest()
    monkeypatch.setattr(job, "CONTRACT_VERSION", 99)
    with pytest.raises(NotReadyError, match="re-run ingest"):
        chain.clean()


@pytest.mark.parametrize(
    "gate",
    [
        {"gate_duplicate_ratio": 0.4},
        {"gate_valid_timestamp_coverage": 0.9},
        {"gate_error_ratio": 0.0},
        {"gate_event_id_conflicts": 0},
        {"gate_ev_unparsable_ratio": 0.1},
        {"gate_missing_event_id_ratio": 0.1},
        {"gate_missing_timestamp_ratio": 0.1},
        {"gate_invalid_timestamp_ratio": 0.1},
    ],
    ids=lambda gate: next(iter(gate)),
)
def test_each_gate_stops_before_anything_is_published(chain, gate):
    conflict = [row(ev=ev(EventId=7, Msg=n), ts=TEN, cat="Error") for n in range(5)]
    chain.drop({"a.parquet": table(*conflict, row("T2", ev="x"), row("T2", ts="x", ev="y"))})
    chain.ingest()
    before = chain.published()
    with pytest.raises(GateError, match=next(iter(gate)).removeprefix("gate_")):
        chain.clean(**gate)
    assert chain.published() == before
    assert chain.clean(**dict.fromkeys(gate, 1 if "coverage" not in next(iter(gate)) else 0)).kind == "published"


def test_a_lost_row_stops_clean(chain, monkeypatch):
    chain.drop({"a.parquet": table(row(), row("T2"))})
    chain.ingest()
    monkeypatch.setattr(job, "gathered", lambda rows, order, *of: gather.gathered(rows, order[:-1], *of))
    with pytest.raises(LedgerError, match="raw 2 is not clean 1"):
        chain.clean()
    assert not chain.partitions("clean")


def test_a_row_merged_in_silence_stops_clean(chain, monkeypatch):
    chain.drop({"a.parquet": table(row(), row("T2"))})
    chain.ingest()
    judge = job.judge

    def forgetful(rows):
        verdict = judge(rows)
        verdict.kept[-1] = False
        return verdict

    monkeypatch.setattr(job, "judge", forgetful)
    with pytest.raises(LedgerError, match="copies 1"):
        chain.clean()


def test_a_product_that_is_gone_has_no_rows_and_no_features(chain):
    chain.drop({"a.parquet": table(row(), row(pn="I14"))})
    chain.run()
    chain.drop({"a.parquet": table(row(pn="I14"))})
    assert [outcome.kind for outcome in chain.run()] == ["published"] * 3
    assert {pn: len(part) for pn, part in chain.partitions("clean").items()} == {"I13": 0, "I14": 1}
    features = chain.device_features().select(["service_tag", "total_events", "dominate_pn"])
    assert features.to_pylist() == [{"service_tag": "T1", "total_events": 1, "dominate_pn": "I14"}]


def test_too_little_scratch_is_said_before_anything_is_read(chain, monkeypatch):
    chain.drop({"a.parquet": table(*nasty(50))})
    chain.ingest()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(TemporaryError, match=r"GB of scratch are needed and 0\.0 GB are free"):
        chain.clean()
    assert not chain.partitions("clean")


def test_what_waits_on_scratch_is_bounded_by_rows_and_by_row_groups(chain, monkeypatch):
    monkeypatch.setattr(parquet, "GROUP_BYTES", 500)
    chain.drop({"a.parquet": table(*nasty(300))})
    chain.ingest()
    footers = [pq.read_metadata(path) for path in (chain.lake / "raw").rglob("*.parquet")]
    groups = [[footer.row_group(place) for place in range(footer.num_row_groups)] for footer in footers]
    sizes = [[group.total_byte_size + job._EVENT_BYTES * group.num_rows for group in of_pn] for of_pn in groups]
    assert job._waiting(footers) == sum(map(sum, sizes))
    monkeypatch.setattr(job, "chunk_bytes", lambda _: 0)
    assert job._waiting(footers) == 2 * sum(map(max, sizes)) < sum(map(sum, sizes))
