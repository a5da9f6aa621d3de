"""A published week once more, from itself, without a device."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from services.contracts import layout
from services.contracts.errors import NotReadyError
from services.ingest.rewrite import rewrite
from services.lake.erasures import record_erasure
from services.lake.local import LocalStore
from tests.drops import WEEK, Chain, broken, ev, read_file, row, table


def drop_with_everything():
    """Device T1 in three products, one of them its own, and in quarantine; columns of the drop's own."""
    spoilt = table(row("T1"), row("T2")).set_column(2, "cat", broken(b"\xff", b"ok"))
    many = [
        row(f"T{n % 7}", pn=("I13", "a/b", None)[n % 3], ev=ev(TimeStamp=f"2024-05-0{n % 9 + 1}")) for n in range(90)
    ]
    own = table(*many, row("T1", pn="only"), row(" T1 ", pn=".."), row(None), row("T3", pn="."))
    nested = pa.array([{"a": n, "b": [n]} for n in range(own.num_rows)])
    return {
        "a.parquet": own.append_column("Region", pa.array(range(own.num_rows), pa.int8())).append_column(
            "more", nested
        ),
        "b.parquet": spoilt,
    }


def erased(chain, week=WEEK):
    """T1 recorded and left out of the week."""
    lake = LocalStore(chain.lake)
    record_erasure(lake, "T1", {})
    with capture_logs():
        return rewrite(chain.settings(), lake, week)


def others(rows):
    return rows.filter(pa.compute.not_equal(rows["service_tag"], "T1"))


@pytest.mark.usefixtures("no_waiting_for_the_disk")
@pytest.mark.parametrize("source", ["there", "gone"])
def test_rows_of_others_stay_and_the_bytes_are_those_of_ingest(chain, tmp_path, source):
    chain.drop(drop_with_everything())
    chain.ingest()
    before = chain.partitions("ingest")
    if source == "gone":
        shutil.move(chain.root / "source", tmp_path / "away")
    outcome = erased(chain)
    assert outcome.kind == "published"
    after = chain.partitions("ingest")
    assert {pn: len(rows) for pn, rows in after.items() if not len(rows)} == {"only": 0}
    assert {pn: rows for pn, rows in after.items() if len(rows)} == {
        pn: others(rows) for pn, rows in before.items() if pn != "only"
    }
    assert [(r["reason"], r["source_row"]) for r in chain.quarantine().to_pylist()] == [
        ("no_service_tag", 92),
        ("bad_pn", 93),
    ]
    if source == "gone":
        shutil.move(tmp_path / "away", chain.root / "source")
    twin = Chain(tmp_path / "twin")
    shutil.copytree(chain.root / "source", twin.root / "source")
    twin.ingest()
    twin.lake.joinpath(layout.ERASURES).write_bytes((chain.lake / layout.ERASURES).read_bytes())
    twin.ingest()
    assert twin.manifest("ingest").drop.erased
    assert twin.published() == chain.published()


@pytest.mark.usefixtures("no_waiting_for_the_disk")
def test_every_row_is_still_accounted_for(chain):
    chain.drop(drop_with_everything())
    chain.ingest()
    before = chain.manifest("ingest")
    assert before.ledger == {"source_rows": 96, "raw_rows": 92, "quarantined_rows": 4, "erased_rows": 0}
    erased(chain)
    after = chain.manifest("ingest")
    gone = sum(1 for n in range(90) if n % 7 == 1)
    assert after.ledger == {
        "source_rows": 96,
        "raw_rows": 92 - gone - 1,
        "quarantined_rows": 2,
        "erased_rows": gone + 3,
    }
    assert after.inputs == before.inputs
    assert after.drop.quarantined == {"bad_utf8": 0, "no_service_tag": 1, "bad_pn": 1}
    assert after.drop.raw_bytes == before.drop.raw_bytes
    assert sum(after.drop.rows_by_pn.values()) == after.ledger["raw_rows"]
    assert len(after.drop.erased) == 1


@pytest.mark.usefixtures("no_waiting_for_the_disk")
def test_ingest_finds_nothing_to_do_afterwards_and_neither_does_a_second_rewrite(chain):
    chain.drop(drop_with_everything())
    chain.ingest()
    erased(chain)
    assert erased(chain).kind == "unchanged"
    assert chain.ingest().kind == "unchanged"


@pytest.mark.usefixtures("no_waiting_for_the_disk")
def test_ingest_leaves_an_erased_device_out_of_every_later_drop(chain):
    chain.drop(drop_with_everything())
    chain.lake.mkdir()
    record_erasure(LocalStore(chain.lake), "T1", {})
    chain.ingest()
    assert "T1" not in chain.rows("ingest")["service_tag"].to_pylist()
    assert chain.manifest("ingest").ledger["erased_rows"] == 16
    chain.drop({"a.parquet": table(row("T1"), row("T2"))})
    chain.ingest()
    assert chain.rows("ingest")["service_tag"].to_pylist() == ["T2"]
    assert chain.ingest().kind == "unchanged"


def test_a_row_group_that_is_larger_than_a_batch_is_read_whole(chain):
    big = "x" * 100_000
    chain.drop({"a.parquet": table(*(row(f"T{n % 2}", ev=ev(n=n, text=big)) for n in range(400)))})
    chain.ingest()
    path = chain.lake / layout.partition_key("ingest", WEEK, "I13")
    assert pq.read_metadata(path).num_row_groups > 1
    before = read_file(path)
    erased(chain)
    assert read_file(path) == others(before)


def test_a_week_that_another_run_left_unfinished_is_left_to_ingest(chain):
    chain.drop({"a.parquet": table(row("T1"), row("T2"))})
    chain.ingest()
    claim = chain.lake / layout.claim_key("ingest", WEEK)
    claim.write_text(
        claim.read_text().replace('"generation": 1', '"generation": 2').replace('"fingerprint": "', '"fingerprint": "0')
    )
    with pytest.raises(NotReadyError, match="run ingest for it again"):
        erased(chain)


def test_a_file_that_is_not_what_was_published_is_left_to_ingest(chain, monkeypatch):
    monkeypatch.setattr("services.lake.publish.time.sleep", lambda _: None)
    chain.drop({"a.parquet": table(row("T1"), row("T2"))})
    chain.ingest()
    (chain.lake / layout.partition_key("ingest", WEEK, "I13")).unlink()
    with pytest.raises(NotReadyError, match="being republished"):
        erased(chain)
    assert chain.ingest().kind == "published"
    assert chain.rows("ingest")["service_tag"].to_pylist() == ["T2"]


def test_a_week_that_was_never_published_is_left_to_ingest(chain):
    chain.lake.mkdir()
    with pytest.raises(NotReadyError, match="published nothing yet"):
        erased(chain)
