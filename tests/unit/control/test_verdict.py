"""The last word on a workflow: how it ended, what failed, which weeks to look at."""

import json

import pytest
from structlog.testing import capture_logs

from services.contracts.errors import UsageError
from services.control.verdict import failed_steps, verdict
from services.runtime.settings import Settings
from tests.drops import NEXT_WEEK, WEEK, row, table

NODES = [
    {"displayName": "ingest", "message": 'bad input: "a.parquet"', "templateName": "ingest", "phase": "Failed"},
    {"displayName": "week(0)", "phase": "Failed"},
]
FAILED = [{"step": "ingest", "message": 'bad input: "a.parquet"'}, {"step": "week(0)", "message": ""}]


@pytest.mark.parametrize(
    ("failures", "steps"),
    [
        (json.dumps(NODES), FAILED),
        (json.dumps(json.dumps(NODES)), FAILED),  # as Argo writes it
        ('"null"', []),
        ("null", []),
        ("", []),
        (None, []),
        (r'"[{\x1b"', [{"step": "", "message": r'"[{\x1b"'}]),  # Go's way of quoting is not quite JSON's
        ("[1]", [{"step": "", "message": "[1]"}]),
        ('{"a": 1}', [{"step": "", "message": '{"a": 1}'}]),
    ],
)
def test_what_argo_says_of_failures(failures, steps):
    assert failed_steps(failures) == steps


def _verdict(gateway, **chosen):
    """Its log lines, and what it pushed."""
    with capture_logs() as logs:
        verdict(Settings(pushgateway=gateway.address, **chosen))
    return logs, gateway.samples("eventlog", "workflow")


def test_flagged_weeks_are_named_with_the_reason_and_every_week_is_pushed(chain, gateway):
    chain.drop({"a.parquet": table(row(), row(tag=" "))})
    chain.drop({"a.parquet": table(row(tag="T2"))}, NEXT_WEEK)
    chain.run(WEEK, NEXT_WEEK)
    (line,), pushed = _verdict(
        gateway,
        lake=str(chain.lake),
        workflow_status="Failed",
        workflow_failures=json.dumps(json.dumps(NODES)),
        workflow_duration=61.5,
        run_id="wf-1",
    )
    assert (line["event"], line["status"], line["run_id"], line["failures"]) == ("verdict", "Failed", "wf-1", FAILED)
    assert list(line["flagged"]) == [WEEK]
    assert "quarantined_ratio is 50 %" in line["flagged"][WEEK][0]
    assert pushed["eventlog_week_flags", (f"week={WEEK}",)] == 1
    assert pushed["eventlog_week_flags", (f"week={NEXT_WEEK}",)] == 0
    assert pushed["eventlog_status", ("status=failed",)] == 1
    assert pushed["eventlog_duration_seconds", ()] == 61.5
    assert pushed["eventlog_failure_info", ('reason=ingest: bad input: "a.parquet"; week(0)',)] == 1
    assert ("eventlog_last_success_timestamp_seconds", ()) not in pushed


def test_the_weeks_that_were_due_are_counted_against_those_published(chain, gateway):
    chain.drop({"a.parquet": table(row())})
    chain.run(WEEK)
    _, pushed = _verdict(gateway, lake=str(chain.lake), workflow_status="Succeeded")
    assert pushed["eventlog_good_weeks", ()] == 0  # 2024 is long ago: a year of drops is overdue
    assert pushed["eventlog_success_ratio", ()] == 0
    _, pushed = _verdict(gateway, lake=str(chain.lake), workflow_status="Succeeded", alert_overdue_days=9999)
    assert (pushed["eventlog_due_weeks", ()], pushed["eventlog_success_ratio", ()]) == (1, 1)


def test_a_lake_that_cannot_be_read_does_not_silence_the_verdict(gateway):
    logs, pushed = _verdict(gateway, lake="/no/such/lake", workflow_status="Error")
    assert [line["event"] for line in logs] == ["the weeks could not be judged", "verdict"]
    assert "/no/such/lake" in logs[0]["reason"]
    assert pushed["eventlog_status", ("status=failed",)] == 1


def test_without_a_workflow_there_is_no_verdict():
    with pytest.raises(UsageError, match="EVENTLOG_WORKFLOW_STATUS is not set"):
        verdict(Settings())
