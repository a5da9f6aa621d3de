"""Status, report and doctor: what is published, seen from the manifests."""

import os
import re

import pytest

from services.contracts import layout
from services.contracts.errors import NotReadyError
from services.control import doctor, status
from services.control.report import terminal
from services.control.report.gather import gather
from services.control.terminal import bar, emit, sparkline
from services.lake.store import open_store
from tests.drops import NEXT_WEEK, WEEK, ev, row, table


@pytest.fixture
def lake(chain):
    """A week with a re-send, an error, a broken event, a refused row and a skipped file; and a week in raw only."""
    chain.drop(
        {"a.parquet": table(row(), row(), row(cat="Error", ev=ev(TimeStamp="1970-01-01")), row(ev="{"), row(tag=None))}
    )
    (chain.root / "source" / WEEK / "bad.parquet").write_bytes(b"no")
    chain.run(WEEK, on_bad_file="skip")
    chain.drop({"a.parquet": table(row())}, NEXT_WEEK)
    chain.ingest(NEXT_WEEK)
    return open_store(str(chain.lake))


def _status(chain, lake, **chosen):
    return status.status(chain.settings(on_bad_file="skip", **chosen), lake)


def test_status_shows_each_stage_of_each_week(chain, lake):
    first, second = _status(chain, lake).weeks
    assert (first.week, first.ingest.state, first.clean.state) == (WEEK, "published", "published")
    assert (second.week, second.clean.state) == (NEXT_WEEK, "missing")
    assert first.figures.duplicate_ratio == 0.25


def test_a_run_that_found_no_drop_leaves_no_week(chain, lake):
    with pytest.raises(NotReadyError):
        chain.ingest("2030-01-04")
    assert [week.week for week in _status(chain, lake).weeks] == [WEEK, NEXT_WEEK]


def test_status_flags_what_deserves_a_look(chain, lake):
    flags = _status(chain, lake, gate_error_ratio=0.1).weeks[0].flags
    for part in ("skipped_files is 1", "quarantined_ratio is 20 %", "error_ratio is"):
        assert any(part in flag for flag in flags)


def test_status_says_what_is_outdated_or_unfinished(chain, lake):
    assert _status(chain, lake, day_first=True).weeks[0].clean.state == "outdated"
    chain.ingest(WEEK, on_bad_file="skip", force=True)
    assert _status(chain, lake).weeks[0].clean.state == "outdated"
    claim = chain.lake / layout.claim_key("clean", NEXT_WEEK)
    claim.parent.mkdir()
    claim.write_text('{"generation": 1}')
    assert _status(chain, lake).weeks[1].clean.state == "unfinished"


def test_a_week_that_was_only_begun_is_no_good_week(chain, lake, capsys):
    claim = chain.lake / layout.claim_key("ingest", "2024-05-24")
    claim.parent.mkdir(parents=True)
    claim.write_text('{"generation": 1}')
    found = _status(chain, lake, week="2024-05-24")
    assert [week.ingest.state for week in found.weeks] == ["unfinished"]
    emit(*status.show(found))
    shown = capsys.readouterr().out
    assert "✓" not in shown
    assert "2024-05-24  a run of it is at work or did not end" in shown
    with pytest.raises(NotReadyError, match="2024-05-24 is begun but not published"):
        gather(chain.settings(week="2024-05-24"), lake)


@pytest.mark.parametrize("columns", [0, 40, 80])
def test_no_number_is_cut_for_a_narrow_terminal(chain, lake, monkeypatch, capsys, columns):
    found = _status(chain, lake)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.fileno", lambda: 1)
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((columns, 24)))
    emit(*status.show(found))
    shown = capsys.readouterr().out
    assert re.search(f"{WEEK} +published +published +1 +4 +3 +25.00%", re.sub("\x1b.*?m", "", shown))


def test_an_empty_lake_is_said_to_be_one(chain):
    chain.lake.mkdir()
    (line,) = status.show(status.status(chain.settings(), open_store(str(chain.lake))))
    assert "no week has been ingested yet" in line


def test_the_report_is_of_the_newest_week_unless_one_is_named(chain, lake):
    assert gather(chain.settings(), lake).week == NEXT_WEEK
    assert gather(chain.settings(week=WEEK), lake).week == WEEK
    with pytest.raises(NotReadyError, match="2024-06-07 is not in this lake"):
        gather(chain.settings(week="2024-06-07"), lake)


def test_the_report_shows_funnel_causes_and_parts(chain, lake, capsys):
    report = gather(chain.settings(week=WEEK), lake)
    emit(*terminal.show(report, lake.url))
    shown = capsys.readouterr().out
    for part in (
        "raw rows",
        "no_service_tag",
        "ev.TimeStamp says 1970",
        "not_json",
        "I13",
        "a.parquet",
        "skipped: bad.parquet",
        "critical (skipped_files)",
        "Cost, estimated",
    ):
        assert part in shown
    assert report.to_json()["counts"]["resends"] == 1


def test_a_sound_folder_passes_the_doctor_and_keeps_no_trace(chain):
    checks = doctor.doctor(chain.settings())
    assert doctor.exit_code(checks) == 0
    assert not [path for path in chain.lake.rglob("*") if path.is_file()]


def test_the_doctor_names_what_this_pipeline_did_not_write(chain, lake):
    assert doctor.exit_code(doctor.doctor(chain.settings())) == 0
    foreign = chain.lake / "clean" / "event_log" / "week=2020-01-01" / "pn=A" / "x.parquet"
    foreign.parent.mkdir(parents=True)
    foreign.touch()
    (bad,) = [check for check in doctor.doctor(chain.settings()) if not check.good]
    assert "clean/event_log/week=2020-01-01/pn=A/x.parquet" in bad.seen


def test_the_doctor_sees_a_dead_gateway_without_its_password(chain):
    checks = doctor.doctor(chain.settings(pushgateway="http://me:secret@127.0.0.1:1"))
    assert doctor.exit_code(checks) == 2
    assert not checks[-1].good
    assert "secret" not in str(checks)


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, ""), (1, "██"), (0.5, "█"), (0.0001, "▏"), (0.25, "▌"), (2, "██"), (0.99, "██")]
)
def test_a_bar_shows_what_is_not_nothing(share, drawn):
    assert bar(share, 2) == drawn


def test_a_sparkline_runs_from_the_smallest_to_the_largest():
    assert sparkline([0, 7, 3.5]) == "▁█▅"
    assert sparkline([2, 2]) == "▁▁"
    assert sparkline([]) == ""
