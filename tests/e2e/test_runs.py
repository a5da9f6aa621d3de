"""Runs that go well: started by hand as the notes say, again, by the schedule, two at once, and over the past."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from collections.abc import Callable

import pytest

from services.contracts import layout
from tests.drops import NEXT_WEEK, WEEK, Chain
from tests.e2e.cluster import Workflow, command, wait_for
from tests.e2e.drops import drop
from tests.e2e.release import Release

Make = Callable[[str], Release]
STAGES = ("ingest", "clean", "feature")


@pytest.mark.parametrize("how", ["argo", "kubectl"])
def test_a_week_submitted_as_the_notes_say_gives_the_bytes_of_a_local_run(
    release: Make, chain: Chain, gateway: str, how: str
) -> None:
    drop(chain, WEEK)
    chain.run()
    ours = release(f"weekly-{how}")
    ours.upload(chain)
    notes = ours.install()
    run = ours.started(lambda: _paste(notes, how))
    assert run.finished() == "Succeeded", run.explained()
    assert ours.published() == chain.published()
    facts = {step.template: step.outputs for step in run.steps(*STAGES)}
    ledgers = {stage: chain.manifest(stage, None if stage == "feature" else WEEK).ledger for stage in STAGES}
    assert facts["ingest"] == _facts(ledgers["ingest"], "source_rows", "raw_rows")
    assert facts["clean"] == _facts(ledgers["clean"], "raw_rows", "clean_rows")
    assert facts["feature"]["rows-in"] == str(ledgers["feature"]["clean_rows"])
    assert ours.manifest(layout.manifest_key("clean", WEEK))["run"]["run_id"] == run.name
    [report] = run.steps("report")
    assert report.outputs["report-address"] == f"s3://eventlog/{ours.name}/lake/{layout.report_key(WEEK, 'html')}"
    assert ours.store.read(f"{ours.name}/lake/{layout.report_key(WEEK, 'html')}").startswith(b"<!")
    pushed = _metrics(gateway)
    for stage in (*STAGES, "workflow"):
        assert re.search(rf'^eventlog_run_info{{[^}}]*job="{ours.name}"[^}}]*stage="{stage}"', pushed, re.MULTILINE), (
            stage
        )


def _facts(ledger: dict[str, int], rows_in: str, rows_out: str) -> dict[str, str]:
    return {
        "rows-in": str(ledger[rows_in]),
        "rows-out": str(ledger[rows_out]),
        "duplicates": str(ledger.get("resends", 0)),
        "quarantined": str(ledger.get("quarantined_rows", 0)),
    }


def _paste(notes: str, how: str) -> str:
    """Paste the lines of the notes that start one week into a shell; the name of the run, as it says."""
    found = {
        "argo": re.search(r"^  (argo submit .* -p week=2024-05-10) --watch$", notes, re.MULTILINE),
        "kubectl": re.search(r"^(  echo '.*' \| kubectl create .*)$", notes, re.MULTILINE),
    }[how]
    assert found, notes
    said = subprocess.run(["bash", "-c", found[1]], check=True, capture_output=True, text=True, timeout=60).stdout
    names = re.search(rf"\bweekly-{how}-[a-z0-9]{{5}}\b", said)
    assert names, said
    return names[0]


def _metrics(gateway: str) -> str:
    with urllib.request.urlopen(f"http://{gateway}/metrics", timeout=30) as answer:
        return answer.read().decode()


def test_a_week_that_is_published_stays_as_it_is_and_each_stage_says_why(release: Make, chain: Chain) -> None:
    drop(chain, WEEK)
    ours = release("again")
    ours.upload(chain)
    ours.install()
    first = ours.submit(week=WEEK)
    assert first.finished() == "Succeeded", first.explained()
    before = ours.lake_states()
    second = ours.submit(week=WEEK)
    assert second.finished() == "Succeeded", second.explained()
    assert ours.lake_states() == before
    for stage in STAGES:
        [pod] = second.pods(stage)
        assert '"unchanged"' in second.log(pod)
        assert "generation 1 has these inputs and settings" in second.log(pod)
    assert [s.outputs for s in second.steps(*STAGES)] == [s.outputs for s in first.steps(*STAGES)]


def test_the_schedule_takes_every_drop_that_is_new_oldest_first(release: Make, chain: Chain) -> None:
    drop(chain, WEEK, NEXT_WEEK)
    chain.run(WEEK, NEXT_WEEK)
    ours = release("scheduled")
    ours.upload(chain)
    ours.install(cron={"schedules": ["* * * * *"], "suspend": False})
    ours.start_schedule()
    [run, *_] = wait_for("a run of the schedule", ours.workflows, lambda: command("argo", "cron", "list", "-A").out)
    command("argo", "cron", "suspend", "-n", ours.namespace.name, ours.name)
    assert run.finished() == "Succeeded", run.explained()
    assert ours.published() == chain.published()
    began = [(step.template, _week(run, step.id)) for step in run.steps("ingest", "clean")]
    assert began == [("ingest", WEEK), ("clean", WEEK), ("ingest", NEXT_WEEK), ("clean", NEXT_WEEK)]


def _week(run: Workflow, node_id: str) -> str:
    """The week that a step was about."""
    [node] = [node for node in run.nodes() if node["id"] == node_id]
    return next(p["value"] for p in node["inputs"]["parameters"] if p["name"] == "week")


def test_two_submissions_of_one_week_wait_for_each_other(release: Make, chain: Chain) -> None:
    drop(chain, WEEK)
    chain.run()
    ours = release("twins")
    ours.upload(chain)
    ours.install(stages={"ingest": {"cpuLimit": 0.3}})  # long enough for the other to come to the lock
    runs = [ours.submit(week=WEEK), ours.submit(week=WEEK)]

    def waiting() -> list[Workflow]:
        said = f"Waiting for {ours.namespace.name}/Mutex/{ours.name}-{WEEK} lock"
        return [run for run in runs if said in run.shown()]

    [second] = wait_for("a run that waits for the lock", waiting, ours.explained)
    [first] = [run for run in runs if run is not second]
    assert [run.finished() for run in runs] == ["Succeeded", "Succeeded"], ours.explained()
    assert ours.published() == chain.published()
    assert '"published"' in first.log(first.pods("ingest")[0])
    for stage in ("ingest", "clean"):
        assert '"unchanged"' in second.log(second.pods(stage)[0])


def test_a_backfill_shows_what_it_would_do_then_does_it_under_a_job_of_its_own(
    release: Make, chain: Chain, gateway: str
) -> None:
    last_week = "2024-05-24"
    drop(chain, WEEK, NEXT_WEEK, last_week, rows=60)
    chain.run(WEEK, NEXT_WEEK)
    ours = release("past")
    ours.upload(chain)
    ours.install()
    shown = ours.submit("-backfill", **{"from": WEEK, "to": NEXT_WEEK})
    assert shown.finished() == "Succeeded", shown.explained()
    assert "weeks that would run" in shown.log(shown.pods("plan")[0])
    assert not ours.lake_states()
    done = ours.submit("-backfill", **{"from": WEEK, "to": NEXT_WEEK, "dry_run": "false"})
    assert done.finished() == "Succeeded", done.explained()
    assert ours.published() == chain.published()
    for stage in (*STAGES, "workflow"):
        pattern = (
            rf'^eventlog_run_info{{[^}}]*job="{ours.name}-backfill"[^}}]*run_id="{done.name}"[^}}]*stage="{stage}"'
        )
        assert re.search(pattern, _metrics(gateway), re.MULTILINE), stage
    assert f'run_id="{done.name}",stage="clean"' not in "".join(
        line for line in _metrics(gateway).splitlines() if f'job="{ours.name}"' in line
    )


def test_helm_test_tries_the_images_and_the_store(release: Make) -> None:
    ours = release("tried")
    ours.install()
    ended = command("helm", "test", "-n", ours.namespace.name, ours.name, "--timeout", "10m", timeout=700)
    logs = command("kubectl", "-n", ours.namespace.name, "logs", f"{ours.name}-test", "--all-containers").out
    assert ended.code == 0, f"{ended.out}\n{ended.err}\n{logs}"
    assert "Phase:          Succeeded" in ended.out
