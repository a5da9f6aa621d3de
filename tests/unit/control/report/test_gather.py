"""What a report says is what the manifests say."""

from dataclasses import asdict

import pyarrow as pa
import pytest

from services.contracts import layout
from services.contracts.errors import NotReadyError
from services.contracts.manifest import Counts
from services.control.report.cost import prices
from services.control.report.devices import device_hash
from services.control.report.gather import gather
from services.lake.store import open_store
from tests.drops import NEXT_WEEK, WEEK, ev, row, table

_THIRD_WEEK = "2024-05-24"


@pytest.fixture
def lake(chain):
    """Two ordinary weeks, then one in which pn L5 arrives with errors, and a column more."""
    ordinary = [row(f"T{n}", ev=ev(TimeStamp="2024-05-08T10:00:00Z", EventId=n)) for n in range(20)]
    chain.drop({"a.parquet": table(*ordinary)})
    chain.drop({"a.parquet": table(*ordinary, row("T1", cat="Error"))}, NEXT_WEEK)
    faults = [
        row("T9", pn="L5", cat="Error", ev=ev(TimeStamp="1970-01-01", EventId=n), ts="2024-05-20") for n in range(4)
    ]
    drop = table(*ordinary, row("T1", cat="Error"), row("T1", cat="Error"), row(tag=None), *faults)
    drop = drop.append_column("site", pa.array(["K"] * len(drop)))
    chain.drop({"a.parquet": drop, "b.parquet": table(row("T3", ev="{"))}, _THIRD_WEEK)
    chain.run(WEEK, NEXT_WEEK, _THIRD_WEEK)
    return open_store(str(chain.lake))


def _report(chain, lake, week="auto", **chosen):
    return gather(chain.settings(week=week, **chosen), lake)


def test_rows_and_counts_are_those_of_the_manifests(chain, lake):
    report = _report(chain, lake)
    ingest, clean = chain.manifest("ingest", _THIRD_WEEK), chain.manifest("clean", _THIRD_WEEK)
    assert report.week == _THIRD_WEEK
    assert report.ledger == {**ingest.ledger, **clean.ledger}
    assert report.counts == clean.quality.counts
    assert report.timestamps == clean.quality.timestamps
    assert report.unusable_times == clean.quality.unusable_times
    assert report.drop.quarantined == ingest.drop.quarantined
    assert {part.name: part.now for part in report.products} == clean.quality.counts_by_pn
    assert {part.name: part.now for part in report.files} == clean.quality.counts_by_file


def test_every_figure_is_compared_with_each_week_before(chain, lake):
    compared = {c.figure: c for c in _report(chain, lake).comparisons}
    figures = [asdict(chain.manifest("clean", week).quality.figures) for week in (WEEK, NEXT_WEEK, _THIRD_WEEK)]
    for name in figures[0]:
        trend = [week[name] for week in figures]
        assert compared[name].trend == tuple(trend)
        assert (compared[name].now, compared[name].previous) == (trend[2], trend[1])
        assert compared[name].median == (trend[0] + trend[1]) / 2
    assert compared["raw_bytes"].trend == tuple(
        chain.manifest("ingest", week).drop.raw_bytes for week in (WEEK, NEXT_WEEK, _THIRD_WEEK)
    )


def test_a_report_of_an_older_week_knows_nothing_of_later_ones(chain, lake):
    report = _report(chain, lake, NEXT_WEEK)
    assert [week.week for week in report.history] == [WEEK, NEXT_WEEK]
    assert [stage.stage for stage in report.stages] == ["ingest", "clean"]
    assert report.devices is None


def test_the_first_week_has_nothing_to_be_compared_with(chain, lake):
    report = _report(chain, lake, WEEK)
    assert {(c.previous, c.median) for c in report.comparisons} == {(None, None)}
    assert report.columns.against is None
    assert not any(part.before for part in report.products)


def test_products_stand_beside_themselves_a_week_before(chain, lake):
    parts = {part.name: part for part in _report(chain, lake).products}
    assert parts["L5"].before is None
    assert parts["I13"].before == chain.manifest("clean", NEXT_WEEK).quality.counts_by_pn["I13"]


def test_a_new_column_is_named_with_its_type(chain, lake):
    columns = _report(chain, lake).columns
    assert (columns.against, columns.added, columns.gone, columns.retyped) == (NEXT_WEEK, {"site": "string"}, {}, {})


def test_the_devices_whose_errors_moved_are_named_by_a_hash(chain, lake):
    devices = _report(chain, lake).devices
    assert [(d.device, d.errors_before, d.errors) for d in devices] == [(device_hash("T9"), 0, 4)]
    assert not any("T9" in d.device for d in devices)


def test_what_was_found_decides_and_names_its_cause(chain, lake):
    verdict = _report(chain, lake).verdict
    assert verdict.state == "critical"
    found = {f.figure: f for f in verdict.judgement.findings}
    assert found["invalid_timestamp_ratio"].causes[0].name == "L5"


def test_a_week_that_clean_has_not_published_is_not_complete(chain, lake):
    chain.drop({"a.parquet": table(*[row(f"T{n}") for n in range(26)])}, "2024-05-31")
    chain.ingest("2024-05-31")
    report = _report(chain, lake, alert_raw_bytes_change=10)
    assert (report.verdict.state, report.counts) == ("incomplete", None)
    assert report.products[0].now == Counts(raw_rows=26)


def test_a_week_that_was_only_begun_is_not_the_newest(chain, lake):
    (chain.lake / layout.claim_key("ingest", "2024-06-07")).parent.mkdir(parents=True)
    (chain.lake / layout.claim_key("ingest", "2024-06-07")).write_text('{"generation": 1}')
    assert _report(chain, lake).week == _THIRD_WEEK


def test_an_empty_lake_says_that_it_is_one(chain):
    chain.lake.mkdir()
    with pytest.raises(NotReadyError, match="no week has been ingested yet"):
        gather(chain.settings(), open_store(str(chain.lake)))


def test_stages_tell_of_the_runs_in_the_manifests(chain, lake):
    stages = {stage.stage: stage for stage in _report(chain, lake).stages}
    for name, stage in stages.items():
        made = chain.manifest(name, None if name == "feature" else _THIRD_WEEK)
        assert stage.seconds == made.run.seconds["total"]
        assert stage.peak_memory_bytes == made.run.peak_memory_bytes
        assert stage.bytes_written == sum(o.bytes for o in made.outputs)
    read = {o.key: o.bytes for o in chain.manifest("ingest", _THIRD_WEEK).outputs if o.key.startswith("raw/")}
    assert stages["clean"].bytes_read == sum(read.values())
    cleaned = [o.bytes for w in (WEEK, NEXT_WEEK, _THIRD_WEEK) for o in chain.manifest("clean", w).outputs]
    assert stages["feature"].bytes_read == sum(cleaned)


def test_the_cost_is_what_was_used_at_the_listed_prices(chain, lake):
    report = _report(chain, lake)
    cloud, place = report.cost.estimates[0], prices().places[0]
    cpu = sum(stage.cpu_seconds for stage in report.stages)
    written = sum(stage.objects_written for stage in report.stages)
    read = sum(stage.objects_read for stage in report.stages)
    assert report.cost.cpu_seconds == pytest.approx(cpu)
    assert cloud.cpu == pytest.approx(cpu / 3600 * place.vcpu_hour, abs=1e-8)
    assert cloud.requests == pytest.approx(written / 1e3 * place.put_per_thousand + read / 1e3 * place.get_per_thousand)
    assert cloud.total == pytest.approx(cloud.cpu + cloud.memory + cloud.requests, abs=1e-8)
    assert cloud.storage_month == pytest.approx(report.cost.bytes_written / 1e9 * place.storage_gb_month, abs=1e-8)
