"""Feature of tiny drops: which weeks take part, and what the two tables say."""

import pyarrow.parquet as pq
import pytest

from services.contracts import layout
from services.contracts.errors import LedgerError, NotReadyError
from services.contracts.tables import DEVICE_FEATURES, ERROR_EVENTS
from services.feature import job
from services.feature.aggregate import Aggregator
from services.lake import parquet
from tests.drops import TEN, assert_follows_reference, ev, row, table

WEEKS = ("2024-04-26", "2024-05-03", "2024-05-10")


def drops_of(weeks=WEEKS):
    """One device more each week; every event is an error."""
    return {
        week: {
            "a.parquet": table(*[row(f"T{n}", cat="Error", ev=ev(TimeStamp=week, EventId=n)) for n in range(place + 1)])
        }
        for place, week in enumerate(weeks)
    }


@pytest.fixture
def three_weeks(chain):
    for week, files in drops_of().items():
        chain.drop(files, week)
        chain.ingest(week)
        chain.clean(week)
    return chain


@pytest.mark.parametrize(("weeks", "total"), [(13, 6), (3, 6), (2, 5), (1, 3), (0, 6)])
def test_the_newest_weeks_take_part(three_weeks, weeks, total):
    three_weeks.feature(feature_weeks=weeks)
    assert sum(three_weeks.device_features()["total_events"].to_pylist()) == total
    assert set(three_weeks.device_features()["as_of_week"].to_pylist()) == {WEEKS[-1]}
    assert three_weeks.manifest("feature", None).window.weeks == WEEKS[-weeks:]
    assert_follows_reference(three_weeks, drops_of(), weeks)


def test_another_number_of_weeks_is_another_result_and_the_same_is_unchanged(three_weeks):
    assert three_weeks.feature(feature_weeks=2).kind == "published"
    assert three_weeks.feature(feature_weeks=2).kind == "unchanged"
    assert three_weeks.feature(feature_weeks=3).kind == "published"
    assert three_weeks.feature(feature_weeks=13).kind == "unchanged"


@pytest.mark.parametrize(("size", "tasks"), [(1, [12]), (2_500, range(2, 12)), (2**24, [1])])
def test_row_groups_of_a_file_are_read_together_up_to_a_size(chain, monkeypatch, size, tasks):
    monkeypatch.setattr(parquet, "GROUP_BYTES", 450)
    monkeypatch.setattr(job, "GROUP_BYTES", size)
    cats = ["Error", "Info", "Critical", None]
    rows = [row(f"T{n % 7}", cat=cats[n % 4], ev=ev(TimeStamp=TEN, EventId=n)) for n in range(48)]
    drops = {WEEKS[-1]: {"a.parquet": table(*rows)}}
    chain.drop(drops[WEEKS[-1]], WEEKS[-1])
    chain.ingest(WEEKS[-1])
    chain.clean(WEEKS[-1])
    (clean,) = (chain.lake / "clean").rglob("*.parquet")
    read = list(parquet.groups_together(pq.read_metadata(clean), size))
    assert [ordinal for ordinals, _, _ in read for ordinal in ordinals] == list(range(12))
    assert len(read) in tasks
    assert sum(rows for _, rows, _ in read) == 48
    chain.feature()
    assert_follows_reference(chain, drops)


def test_files_have_the_schemas_of_the_contract(three_weeks):
    three_weeks.feature()
    for key, table_ in ((layout.DEVICE_FEATURES, DEVICE_FEATURES), (layout.ERROR_EVENTS, ERROR_EVENTS)):
        assert pq.read_schema(three_weeks.lake / key).remove_metadata() == table_.schema


def test_feature_without_a_clean_week_is_not_ready(chain):
    chain.lake.mkdir()
    with pytest.raises(NotReadyError, match="run clean first"):
        chain.feature()


def test_a_clean_week_of_an_older_contract_is_named(three_weeks, monkeypatch):
    monkeypatch.setattr(job, "CONTRACT_VERSION", 99)
    with pytest.raises(
        NotReadyError, match="clean of 2024-04-26, 2024-05-03, 2024-05-10 was made under an older contract"
    ):
        three_weeks.feature()


@pytest.mark.parametrize(("method", "sentence"), [("count", "events of all devices"), ("collect", "error events")])
def test_lost_rows_stop_feature(three_weeks, monkeypatch, method, sentence):
    taken = getattr(Aggregator, method)

    def forgetful(self, rows):
        taken(self, rows.slice(1))

    monkeypatch.setattr(Aggregator, method, forgetful)
    with pytest.raises(LedgerError, match=sentence):
        three_weeks.feature()
    assert not (three_weeks.lake / layout.DEVICE_FEATURES).exists()
