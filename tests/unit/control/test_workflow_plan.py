"""What a workflow is told: which weeks to run, under which job; and every wrong parameter in a sentence."""

import json

import pytest
import structlog

from services.control.__main__ import main
from tests.drops import NEXT_WEEK, WEEK, row, table

LAST_WEEK = "2024-05-24"


@pytest.fixture
def places(chain, monkeypatch):
    """Three drops, of which the first is published; the settings that the ConfigMap gives."""
    chain.drop({"a.parquet": table(row())})
    chain.run()
    chain.drop({"a.parquet": table(row(tag="T2"))}, NEXT_WEEK)
    chain.drop({"a.parquet": table(row(tag="T3"))}, LAST_WEEK)
    monkeypatch.setenv("EVENTLOG_SOURCE", str(chain.root / "source"))
    monkeypatch.setenv("EVENTLOG_LAKE", str(chain.lake))
    yield chain
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def plan(places, tmp_path, capsys, monkeypatch):
    """Runs plan as the workflow does: exit code, the list of weeks and jobs, the log, the last words."""
    words = tmp_path / "termination-log"
    words.touch()
    monkeypatch.setenv("EVENTLOG_TERMINATION_LOG", str(words))

    def call(*arguments):
        try:
            code = main(["plan", *arguments, "--outputs", str(tmp_path / "outputs")])
        except SystemExit as refused:
            code = refused.code
        out, err = capsys.readouterr()
        assert not out
        left = tmp_path / "outputs" / "weeks"
        weeks = [(item["week"], item["job"]) for item in json.loads(left.read_text())] if left.exists() else None
        return code, weeks, err, words.read_text().strip()

    return call


@pytest.mark.parametrize(
    ("arguments", "weeks"),
    [
        # auto: what is new or changed, the newest under the job that alerts watch
        ("--week auto --force false", [(NEXT_WEEK, "eventlog-catchup"), (LAST_WEEK, "eventlog")]),
        (
            "--week auto --force true",
            [(WEEK, "eventlog-catchup"), (NEXT_WEEK, "eventlog-catchup"), (LAST_WEEK, "eventlog")],
        ),
        # by name: also where it is up to date, so that its stages say so
        (f"--week {WEEK} --force false", [(WEEK, "eventlog")]),
        (f"--from {WEEK} --to {NEXT_WEEK} --force false --dry-run false", [(NEXT_WEEK, "eventlog-backfill")]),
        (
            f"--from 2024-01-01 --to {NEXT_WEEK} --force true",
            [(WEEK, "eventlog-backfill"), (NEXT_WEEK, "eventlog-backfill")],
        ),
        (f"--from {WEEK} --to {LAST_WEEK} --dry-run true", []),
        (f"--from {WEEK} --to {WEEK}", []),
    ],
)
def test_the_weeks_to_run_and_their_jobs(plan, arguments, weeks):
    code, found, _, _ = plan(*arguments.split())
    assert (code, found) == (0, weeks)


def test_an_old_week_is_not_the_state_of_things_though_it_runs_alone(plan, places):
    places.run(NEXT_WEEK)
    assert plan("--week", WEEK, "--force", "true")[:2] == (0, [(WEEK, "eventlog-catchup")])
    assert plan("--week", NEXT_WEEK, "--force", "true")[:2] == (0, [(NEXT_WEEK, "eventlog")])


def test_what_was_understood_is_said_in_json_lines(plan):
    _, _, err, _ = plan("--from", WEEK, "--to", NEXT_WEEK, "--dry-run", "true")
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in lines] == ["understood", "planned", "planned", "weeks that would run"]
    assert (lines[0]["from"], lines[0]["to"], lines[0]["force"], lines[0]["dry_run"]) == (WEEK, NEXT_WEEK, False, True)
    assert [(line["week"], line["run"], line["ingest"]) for line in lines[1:3]] == [
        (WEEK, False, "up to date"),
        (NEXT_WEEK, True, "not published yet"),
    ]
    assert lines[3]["weeks"] == [NEXT_WEEK]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--week", "2024-13-01"], 2, "--week=2024-13-01: must be a calendar date"),
        (["--week", ""], 2, "--week=: must be a calendar date"),
        (["--week", "--force", "true"], 2, "argument --week: expected one argument"),
        (["--week", "2024-06-07"], 5, "there is no such drop"),
        (["--force", "maybe"], 2, "--force=maybe"),
        (["--from", "today", "--to", "2024-02-30"], 2, "--from=today: must be a calendar date"),
        (["--from", "today", "--to", "2024-02-30"], 2, "--to=2024-02-30: must be a calendar date"),
        (["--from", WEEK], 2, "--to is missing"),
        (["--to", WEEK], 2, "--from is missing"),
        (["--from", NEXT_WEEK, "--to", WEEK], 2, f"--from={NEXT_WEEK} is later than --to={WEEK}"),
        (["--from", "2023-01-01", "--to", "2023-12-31"], 5, "there is no drop from 2023-01-01 to 2023-12-31"),
        (["--week", WEEK, "--from", WEEK, "--to", WEEK], 2, "give one or the other"),
        (["--from", WEEK, "--to", WEEK, "--dry-run", "maybe"], 2, "--dry-run=maybe: must be true or false"),
        (["--until", WEEK], 2, "--until"),
    ],
)
def test_a_wrong_parameter_is_refused_in_a_sentence_that_argo_shows(plan, arguments, code, said):
    found, weeks, err, words = plan(*arguments)
    assert (found, weeks) == (code, None)
    assert said in words
    assert words in err.replace('\\"', '"')
    assert "Traceback" not in err
