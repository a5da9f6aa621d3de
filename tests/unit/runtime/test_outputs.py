"""What a workflow reads of a stage's run: one small file a fact, each of them always."""

import pytest

from services.contracts.errors import BadInputError, UsageError
from services.lake.publish import Outcome
from services.runtime.outcome import run_stage
from services.runtime.outputs import leave_outputs
from services.runtime.settings import Settings
from tests.drops import WEEK, row, table


def _left(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("run", ["published", "unchanged"])
def test_rows_in_and_out_of_each_stage(chain, tmp_path, run):
    chain.drop({"a.parquet": table(row(), row(), row(tag="T2", cat="Error"), row(tag=" "))})
    if run == "unchanged":
        chain.run()
    seen = {}
    for stage, outcome in zip(("ingest", "clean", "feature"), chain.run(), strict=True):
        assert outcome.kind == run
        run_stage(Settings(outputs=tmp_path / stage), stage, WEEK, lambda outcome=outcome: outcome)
        seen[stage] = _left(tmp_path / stage)
    assert seen == {
        "ingest": {"rows-in": "4", "rows-out": "3", "duplicates": "0", "quarantined": "1"},
        "clean": {"rows-in": "3", "rows-out": "2", "duplicates": "1", "quarantined": "0"},
        # two devices and one error
        "feature": {"rows-in": "2", "rows-out": "3", "duplicates": "0", "quarantined": "0"},
    }


def test_a_run_that_fails_or_is_superseded_leaves_zeros(tmp_path):
    def fail():
        raise BadInputError("x")

    zeros = {"rows-in": "0", "rows-out": "0", "duplicates": "0", "quarantined": "0"}
    with pytest.raises(BadInputError):
        run_stage(Settings(outputs=tmp_path / "failed"), "ingest", WEEK, fail)
    assert _left(tmp_path / "failed") == zeros
    taken_over = Outcome("superseded", "generation 2 has these inputs", None)
    run_stage(Settings(outputs=tmp_path / "superseded"), "ingest", WEEK, lambda: taken_over)
    assert _left(tmp_path / "superseded") == zeros


def test_without_a_folder_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    leave_outputs(Settings(), {"rows-in": 1})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"EVENTLOG_OUTPUTS=.*file/outputs: cannot be written"):
        leave_outputs(Settings(outputs=tmp_path / "file" / "outputs"), {"rows-in": 1})
