"""The plan names each week with its reason, and writes nothing."""

import os
from pathlib import Path

import pytest

from services.contracts import layout
from services.contracts.errors import NotReadyError
from services.control import plan as planning
from services.lake.store import open_store
from tests.drops import NEXT_WEEK, WEEK, row, table


def _plan(chain, **chosen):
    settings = chain.settings(**chosen)
    lake = open_store(settings.lake) if chain.lake.exists() else None
    return planning.plan(settings, open_store(settings.source), lake)


@pytest.fixture
def published(chain):
    """Two weeks, everything up to date."""
    chain.drop({"a.parquet": table(row())})
    chain.drop({"a.parquet": table(row(tag="T2"))}, NEXT_WEEK)
    chain.run(WEEK, NEXT_WEEK)
    return chain


def test_without_a_lake_every_drop_is_due_and_none_is_made(chain):
    chain.drop({"a.parquet": table(row())}, NEXT_WEEK)
    chain.drop({"a.parquet": table(row())})
    found = _plan(chain)
    assert found.run == [WEEK, NEXT_WEEK]
    assert found.weeks[0].ingest.reason == "not published yet"
    assert not chain.lake.exists()


def test_an_up_to_date_lake_has_nothing_to_do(published):
    found = _plan(published)
    assert found.run == []
    assert not found.feature.due


def test_planning_writes_nothing(published):
    before = _tree(published.root)
    _plan(published, force=True)
    assert _tree(published.root) == before


def test_a_changed_drop_is_due_and_the_other_week_is_not(published):
    published.drop({"a.parquet": table(row(), row()), "b.parquet": table(row())})
    found = _plan(published)
    assert found.run == [WEEK]
    assert found.weeks[0].ingest.reason == "input files: 1 new, 1 changed"
    assert found.feature.due


def test_a_setting_that_changes_clean_leaves_ingest_alone(published):
    week = _plan(published, day_first=True).weeks[0]
    assert not week.ingest.due
    assert week.clean.reason == "setting day_first was False and is True"


def test_raw_that_was_published_anew_makes_clean_due(published):
    published.ingest(force=True)
    week = _plan(published).weeks[0]
    assert (week.ingest.due, week.clean.due) == (False, True)


def test_a_missing_file_and_a_foreign_one_are_seen(published):
    victim = published.lake / layout.partition_key("clean", WEEK, "I13")
    victim.unlink()
    stranger = published.lake / f"raw/event_log/week={NEXT_WEEK}/pn=I13/copy.parquet"
    stranger.write_bytes(b"")
    first, second = _plan(published).weeks
    assert "is not what was published" in first.clean.reason
    assert "copy.parquet was not written by this pipeline" in second.ingest.reason


def test_a_run_that_did_not_finish_is_due_again(published):
    claim = published.lake / layout.claim_key("clean", WEEK)
    claim.write_text(claim.read_text().replace('"generation": 1', '"generation": 2'))
    assert _plan(published).weeks[0].clean.reason == "an earlier run did not finish"


def test_a_drop_that_still_arrives_waits(published):
    published.drop({"a.parquet": table(row(), row())})
    found = _plan(published, settle_seconds=3600)
    assert found.run == []
    assert "may still be arriving" in found.weeks[0].ingest.reason


def test_a_week_that_is_not_there_is_refused(published):
    with pytest.raises(NotReadyError, match="no such drop"):
        _plan(published, week="2024-06-07")


def test_one_week_alone_can_be_asked_for(published):
    assert [week.week for week in _plan(published, week=NEXT_WEEK).weeks] == [NEXT_WEEK]


@pytest.mark.parametrize(
    ("folder", "advice"),
    [("empty", "no folder is named by a date"), ("loose", "files lie directly in it"), (WEEK, "a drop itself")],
)
def test_a_source_without_drops_is_explained(chain, folder, advice):
    source = chain.root / "source" / folder
    source.mkdir(parents=True)
    if folder != "empty":
        (source / "a.parquet").touch()
    settings = chain.settings().model_copy(update={"source": str(source)})
    with pytest.raises(NotReadyError, match=advice):
        planning.plan(settings, open_store(settings.source), None)


def _tree(root: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for folder, _, names in os.walk(root):
        for path in (Path(folder, name) for name in names):
            stat = path.stat()
            found[str(path)] = (stat.st_size, stat.st_mtime_ns)
    return found
