"""The command line: results on stdout, logs on stderr, one sentence and an exit code for what goes wrong."""

import json
import shlex
import subprocess

import pytest
import structlog

from services.cli.app import app, main
from services.contracts import layout
from tests.drops import NEXT_WEEK, WEEK, ev, row, table

_COMMANDS = ("run", "ingest", "clean", "feature", "plan", "sample", "status", "report", "explain", "accept", "doctor")
_COMMANDS += ("erase",)


@pytest.fixture
def cli(capsys):
    """Runs `eventlog` with these arguments: exit code, stdout, stderr."""

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return ended.value.code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def places(chain):
    """Two small drops, and the options that name them and the lake."""
    chain.drop({"a.parquet": table(row(), row(), row(cat="Error"))})
    chain.drop({"a.parquet": table(row(tag="T2"))}, NEXT_WEEK)
    return "--source", chain.root / "source", "--lake", chain.lake


def _outcomes(out):
    return [(r["stage"], r["week"], r["outcome"]) for r in json.loads(out)["results"]]


def test_run_brings_every_week_through_all_stages(cli, places):
    code, out, err = cli("run", *places, "--json")
    assert code == 0
    assert _outcomes(out) == [
        ("ingest", WEEK, "published"),
        ("clean", WEEK, "published"),
        ("ingest", NEXT_WEEK, "published"),
        ("clean", NEXT_WEEK, "published"),
        ("feature", None, "published"),
    ]
    assert all(json.loads(line) for line in err.splitlines())


def test_a_second_run_changes_nothing_and_says_why(cli, places, chain):
    cli("run", *places)
    before = chain.published()
    code, out, _ = cli("run", *places, "--json")
    assert code == 0
    assert {r["outcome"] for r in json.loads(out)["results"]} == {"unchanged"}
    assert all(r["reason"] for r in json.loads(out)["results"])
    assert chain.published() == before


def test_one_bad_week_does_not_stop_the_others(cli, places, chain):
    (chain.root / "source" / WEEK / "broken.parquet").write_bytes(b"PAR1")
    code, out, err = cli("run", *places, "--json")
    assert code == 3
    assert ("clean", NEXT_WEEK, "published") in _outcomes(out)
    assert ("feature", None, "published") in _outcomes(out)
    assert "broken.parquet" in err
    assert "Traceback" not in err


def test_stages_can_be_run_one_by_one(cli, places):
    source, lake = places[:2], places[2:]
    assert cli("ingest", *source, *lake, "--week", WEEK, "--json")[0] == 0
    assert _outcomes(cli("clean", *lake, "--json")[1]) == [("clean", WEEK, "published")]
    assert _outcomes(cli("feature", *lake, "--json")[1]) == [("feature", None, "published")]


def test_the_commands_of_the_summary_work_when_pasted(cli, places):
    _, out, _ = cli("run", *places)
    pasted = [line.strip() for line in out.splitlines() if " -c " in line]
    assert len(pasted) == 2
    answers = [subprocess.run(line, shell=True, capture_output=True, text=True, check=True).stdout for line in pasted]
    assert WEEK in answers[0]
    assert "I13" in answers[0]
    assert "T2" in answers[1]


def test_the_summary_of_a_lake_with_an_odd_name_can_be_pasted_too(cli, chain, tmp_path):
    chain.drop({"a.parquet": table(row())})
    _, out, _ = cli("run", "--source", chain.root / "source", "--lake", tmp_path / "my $lake's")
    for line in (line.strip() for line in out.splitlines() if " -c " in line):
        assert subprocess.run(shlex.split(line), capture_output=True, text=True, check=True).stdout


def test_a_run_leaves_a_report_of_every_week_and_a_second_one_writes_nothing(cli, places, chain):
    cli("run", *places)
    pages = [chain.lake / layout.report_key(week, "html") for week in (WEEK, NEXT_WEEK)]
    assert all(f"Week {week}" in page.read_text() for page, week in zip(pages, (WEEK, NEXT_WEEK), strict=True))
    before = {path: path.stat().st_mtime_ns for path in chain.lake.rglob("*") if path.is_file()}
    cli("run", *places)
    assert {path: path.stat().st_mtime_ns for path in chain.lake.rglob("*") if path.is_file()} == before


def test_report_writes_one_page(cli, places, chain, tmp_path):
    cli("run", *places)
    code, _, _ = cli("report", *places[2:], "--html", tmp_path / "page.html")
    assert code == 0
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


def test_plan_status_and_report_speak_json(cli, places):
    assert json.loads(cli("plan", *places, "--json")[1])["run"] == [WEEK, NEXT_WEEK]
    cli("run", *places)
    assert json.loads(cli("plan", *places, "--json")[1])["run"] == []
    assert [week["week"] for week in json.loads(cli("status", *places[2:], "--json")[1])["weeks"]] == [WEEK, NEXT_WEEK]
    assert json.loads(cli("report", *places[2:], "--json")[1])["week"] == NEXT_WEEK


def test_explain_shows_a_device(cli, places):
    cli("run", *places)
    code, out, err = cli("explain", *places[2:], "--service-tag", "T1", "--json")
    assert code == 0
    assert [event["copies"] for event in json.loads(out)] == [3, 0, 0]
    assert "T1" not in err


def test_logs_tell_nothing_of_a_row(cli, chain):
    chain.drop({"a.parquet": table(row(tag="CANARYTAG", ev=ev(TimeStamp="x", Message="CANARYTEXT")))})
    _, _, err = cli("-v", "run", "--source", chain.root / "source", "--lake", chain.lake)
    assert "CANARY" not in err


def test_sample_makes_a_drop_that_runs(cli, chain, tmp_path):
    spec = ("--rows", 500, "--weeks", WEEK, "--devices", 20, "--files", 2, "--answers", tmp_path / "answers")
    code, out, _ = cli("sample", "--source", chain.root / "source", *spec, "--workers", 1, "--json")
    assert code == 0
    assert len(json.loads(out)["files"]) == 2
    assert cli("run", "--source", chain.root / "source", "--lake", chain.lake)[0] == 0


def test_a_sample_that_cannot_be_made_is_a_usage_error(cli, tmp_path):
    code, _, err = cli("sample", "--source", tmp_path, "--rows", -1, "--weeks", "soon")
    assert code == 2
    assert "rows is -1" in err


def test_a_sample_replaces_a_sample_and_nothing_else(cli, chain):
    small = ("--source", chain.root / "source", "--rows", 10, "--weeks", WEEK, "--files", 1, "--workers", 1)
    assert cli("sample", *small)[0] == cli("sample", *small)[0] == 0
    chain.drop({"part-000.parquet": table(row())})
    code, _, err = cli("sample", *small)
    assert code == 2
    assert "part-000.parquet, which is not of this sample" in err


def test_config_shows_every_setting_and_no_secret(cli, monkeypatch):
    monkeypatch.setenv("EVENTLOG_PUSHGATEWAY", "https://me:secret@gateway:9091")
    code, out, _ = cli("config", "show", "--json")
    shown = {setting["name"]: setting for setting in json.loads(out)}
    assert code == 0
    assert shown["pushgateway"]["value"] == "https://***@gateway:9091"
    assert shown["pushgateway"]["origin"] == "environment"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bogus"], "bogus"),
        (["run", "--bogus"], "--bogus"),
        (["run", "--workers", "many"], "--workers"),
        (["explain"], "--service-tag"),
        (["config"], "Missing command"),
        (["-v"], "Missing command"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(cli, arguments, said):
    code, out, err = cli(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert "--help" in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "--week", "2024"], 2, "--week=2024"),
        (["run", "--source", "/no/such/place"], 2, "/no/such/place"),
        (["run", "--source", "ftp://host"], 2, "ftp://host"),
        (["status", "--lake", "/no/such/lake"], 2, "/no/such/lake"),
    ],
)
def test_what_goes_wrong_is_said_without_a_traceback(cli, tmp_path, arguments, code, said):
    found, _, err = cli(*arguments, *(["--lake", tmp_path] if "--lake" not in arguments else []))
    assert found == code
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_has_help_with_examples(cli, command):
    code, out, _ = cli(command, "--help")
    assert code == 0
    assert f"Examples:  eventlog {command}" in " ".join(out.split()).replace("Examples: ", "Examples:  ")


def test_the_commands_are_those_of_the_design(cli):
    assert {command.name or command.callback.__name__ for command in app.registered_commands} == set(_COMMANDS)
    assert cli("--version")[1].startswith("eventlog ")
    assert "Commands" in cli()[1]
