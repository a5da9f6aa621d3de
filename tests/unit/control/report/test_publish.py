"""A report in the lake: written once, again where it differs, never by an older one."""

import orjson
import pytest
import structlog
from structlog.testing import capture_logs

from services.contracts import layout
from services.control.__main__ import main as control
from services.control.doors import show_accept
from services.control.report.gather import gather
from services.control.report.publish import publish, publish_after_run, publish_due
from services.lake.store import open_store
from tests.drops import NEXT_WEEK, WEEK, row, table


@pytest.fixture(autouse=True)
def _logs_as_they_were():
    yield
    structlog.reset_defaults()


@pytest.fixture
def lake(chain):
    chain.drop({"a.parquet": table(row(), row(cat="Error"))})
    chain.drop({"a.parquet": table(row())}, NEXT_WEEK)
    chain.run(WEEK, NEXT_WEEK)
    return open_store(str(chain.lake))


def _files(chain):
    return {p.relative_to(chain.lake).as_posix(): p.stat().st_mtime_ns for p in chain.lake.rglob("*") if p.is_file()}


def _told(chain, week):
    return orjson.loads((chain.lake / layout.report_key(week, "json")).read_bytes())


def test_every_week_without_a_report_gets_one(chain, lake):
    assert publish_due(chain.settings(), lake) == [WEEK, NEXT_WEEK]
    for week in (WEEK, NEXT_WEEK):
        assert _told(chain, week)["week"] == week
        assert f"Week {week}" in (chain.lake / layout.report_key(week, "html")).read_text()


def test_a_second_time_nothing_is_written(chain, lake):
    publish_due(chain.settings(), lake)
    before = _files(chain)
    assert publish_due(chain.settings(), lake) == [NEXT_WEEK]
    assert _files(chain) == before


def test_a_week_that_was_published_again_gets_a_new_report(chain, lake):
    publish_due(chain.settings(), lake)
    chain.drop({"a.parquet": table(row(), row("T2"), row("T3"))})
    chain.run(WEEK)
    assert publish_due(chain.settings(), lake) == [WEEK, NEXT_WEEK]
    assert _told(chain, WEEK)["ledger"]["source_rows"] == 3
    assert _told(chain, WEEK)["generation"] == 4


def test_a_week_that_is_named_is_reported_anew(chain, lake):
    publish_due(chain.settings(), lake)
    settings = chain.settings(
        week=WEEK, alert_error_ratio_change=0.1, alert_quarantined_ratio=0, alert_duplicate_ratio=0
    )
    assert WEEK in publish_due(settings, lake)


def test_an_older_report_does_not_replace_a_newer_one(chain, lake):
    slow = gather(chain.settings(week=WEEK), lake)
    chain.ingest(WEEK, force=True)
    chain.clean(WEEK)
    publish(lake, gather(chain.settings(week=WEEK), lake))
    before = _files(chain)
    publish(lake, slow)
    assert _files(chain) == before


def test_a_run_ends_well_though_its_report_cannot_be_made(chain, lake):
    (chain.lake / layout.manifest_key("clean", WEEK)).write_text("{}")
    with capture_logs() as logs:
        publish_after_run(chain.settings(), lake)
    assert [(log["log_level"], "clean" in log["reason"]) for log in logs] == [("warning", True)]


def test_the_zones_hold_no_report(chain, lake):
    before = set(chain.published())
    publish_due(chain.settings(), lake)
    assert set(chain.published()) == before
    assert {o.kind for o in chain.run(WEEK, NEXT_WEEK)} == {"unchanged"}


def test_a_workflow_gets_page_and_address(chain, lake, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EVENTLOG_OUTPUTS", str(tmp_path / "outputs"))
    page = tmp_path / "outputs" / "report.html"
    assert control(["report", "--lake", str(chain.lake), "--publish", "--html", str(page)]) == 0
    address = (tmp_path / "outputs" / "report-address").read_text()
    assert address == f"{chain.lake}/_control/reports/week={NEXT_WEEK}/report.html"
    assert page.read_bytes() == (chain.lake / layout.report_key(NEXT_WEEK, "html")).read_bytes()
    assert capsys.readouterr().out == ""  # the step's log is JSON lines


def test_a_page_that_cannot_be_written_is_said_in_a_sentence(chain, lake, tmp_path, capsys):
    assert control(["report", "--lake", str(chain.lake), "--html", str(tmp_path / "no" / "page.html")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_an_accepted_week_is_reported_as_one(chain, lake, capsys):
    chain.drop({"a.parquet": table(*[row(f"T{n}") for n in range(300)])}, "2024-05-24")
    chain.run("2024-05-24")
    settings = chain.settings(week="2024-05-24", alert_error_ratio_change=9)
    publish_due(settings, lake)
    assert _told(chain, "2024-05-24")["verdict"]["state"] == "critical"
    show_accept(settings, as_json=True, reason="a second plant sends")
    told = _told(chain, "2024-05-24")["verdict"]
    assert (told["state"], told["judgement"]["accepted"]) == ("good", "a second plant sends")
    assert (
        "Accepted by a person: a second plant sends"
        in (chain.lake / layout.report_key("2024-05-24", "html")).read_text()
    )
