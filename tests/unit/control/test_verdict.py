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


def _verdict(**chosen):
    pushed = []
    with pytest.MonkeyPatch.context() as patch, capture_logs() as logs:
        patch.setattr("services.control.verdict.push_verdict", lambda settings, flagged: pushed.append(flagged))
        verdict(Settings(**chosen))
    return logs, pushed[0]


def test_flagged_weeks_are_named_with_the_reason_and_every_week_is_pushed(chain):
    chain.drop({"a.parquet": table(row(), row(tag=" "))})
    chain.drop({"a.parquet": table(row(tag="T2"))}, NEXT_WEEK)
    chain.run(WEEK, NEXT_WEEK)
    (line,), pushed = _verdict(
        lake=str(chain.lake), workflow_status="Failed", workflow_failures=json.dumps(json.dumps(NODES)), run_id="wf-1"
    )
    assert (line["event"], line["status"], line["run_id"], line["failures"]) == ("verdict", "Failed", "wf-1", FAILED)
    assert line["flagged"] == {WEEK: ["rows in quarantine: 1"]}
    assert pushed == {WEEK: 1, NEXT_WEEK: 0}


def test_only_the_weeks_that_the_features_cover_are_judged(chain):
    for week in (WEEK, NEXT_WEEK):
        chain.drop({"a.parquet": table(row())}, week)
        chain.run(week)
    assert _verdict(lake=str(chain.lake), workflow_status="Succeeded", feature_weeks=1)[1] == {NEXT_WEEK: 0}
    assert _verdict(lake=str(chain.lake), workflow_status="Succeeded", feature_weeks=0)[1] == {WEEK: 0, NEXT_WEEK: 0}


def test_a_lake_that_cannot_be_read_does_not_silence_the_verdict():
    logs, pushed = _verdict(lake="/no/such/lake", workflow_status="Error")
    assert [line["event"] for line in logs] == ["the weeks could not be judged", "verdict"]
    assert "/no/such/lake" in logs[0]["reason"]
    assert pushed == {}


def test_without_a_workflow_there_is_no_verdict():
    with pytest.raises(UsageError, match="EVENTLOG_WORKFLOW_STATUS is not set"):
        verdict(Settings())
