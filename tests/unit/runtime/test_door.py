"""The container's door: one week, one line of JSON, the exit code, and the last words."""

import json
import subprocess
import sys

import pytest

from services.ingest.__main__ import _run as run_ingest
from services.runtime.door import stage_door
from tests.drops import WEEK, row, table

_HEAVY = ("pyarrow", "numpy", "pandas", "typer", "rich", "duckdb", "boto3", "prometheus_client")


def _ingest(chain, *more):
    places = ["--source", str(chain.root / "source"), "--lake", str(chain.lake)]
    return stage_door("ingest", run_ingest, [*places, *more])


def test_the_result_is_one_line_of_json(chain, capsys):
    chain.drop({"a.parquet": table(row(), row(tag=" "))})
    assert _ingest(chain, "--week", WEEK) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    result = json.loads(out)
    assert (result["outcome"], result["ledger"]["raw_rows"]) == ("published", 1)
    assert result["quarantined"]["no_service_tag"] == 1


def test_a_container_is_for_one_week(chain, capsys):
    chain.drop({"a.parquet": table(row())})
    assert _ingest(chain) == 2
    assert "name it (YYYY-MM-DD)" in capsys.readouterr().err


def test_the_last_words_are_the_sentence_of_the_log(chain, capsys, monkeypatch, tmp_path):
    words = tmp_path / "termination-log"
    words.touch()
    monkeypatch.setenv("EVENTLOG_TERMINATION_LOG", str(words))
    chain.drop({"a.parquet": table(row())})
    assert _ingest(chain, "--week", "2024-05-17") == 5
    said = words.read_text().strip()
    assert "there is no such drop" in said
    assert said in capsys.readouterr().err
    monkeypatch.setenv("EVENTLOG_NOPE", "1")
    assert _ingest(chain, "--week", WEEK) == 2
    assert "EVENTLOG_NOPE" in words.read_text()


def test_an_unknown_option_is_one_sentence(capsys):
    with pytest.raises(SystemExit) as ended:
        stage_door("clean", run_ingest, ["--wek", WEEK])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "--wek" in err


@pytest.mark.parametrize("stage", ["ingest", "clean", "feature"])
def test_a_stage_starts_without_what_it_does_not_need(stage):
    """A pod's start is paid for each week: its first log line comes before the large imports."""
    code = f"import sys, services.{stage}.__main__; print([m for m in {_HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
