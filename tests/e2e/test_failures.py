"""Runs that meet trouble: what is retried, what is not, and what the operator is told."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.drops import NEXT_WEEK, WEEK, Chain
from tests.e2e.cluster import UnreachableError, wait_for
from tests.e2e.drops import corrupt, drop, sample
from tests.e2e.release import Release

Make = Callable[[str], Release]


def test_a_pod_deleted_in_the_middle_of_its_work_is_retried(release: Make, tmp_path: Path) -> None:
    chain = sample(tmp_path, WEEK)
    chain.run()
    ours = release("bereft")
    ours.upload(chain)
    slow = {"cpuLimit": 0.15}
    ours.install(stages={"ingest": slow, "clean": slow})
    run = ours.submit(week=WEEK)
    for stage, force in (("ingest", ()), ("clean", ("--grace-period=0", "--force"))):
        ours.namespace.kubectl("delete", "pod", run.working(stage), "--wait=false", *force)
    assert run.finished() == "Succeeded", run.explained()
    for stage in ("ingest", "clean"):
        first, second = run.steps(stage)
        assert second.phase == "Succeeded"
        # Which of them Argo sees first, it says: the container's end, or that the pod is gone.
        assert any(seen in first.message for seen in ("exit code 143", "pod deleted")), run.explained()
        assert '"attempt": 1' in run.log(run.pods(stage)[-1]).splitlines()[0]
    assert ours.published() == chain.published()


def test_a_stage_out_of_memory_is_retried_with_more(release: Make, chain: Chain) -> None:
    drop(chain, WEEK)
    chain.run()
    ours = release("starved")
    ours.upload(chain)
    ours.install(stages={"ingest": {"memoryMi": 80}})
    run = ours.submit(week=WEEK)
    assert run.finished() == "Succeeded", run.explained()
    *killed, last = run.steps("ingest")
    assert last.phase == "Succeeded"
    assert killed
    assert {step.exit_code for step in killed} == {137}, run.explained()
    assert "OOMKilled" in killed[0].message
    limits = [
        container["resources"]["limits"]["memory"]
        for pod in run.pods("ingest")
        for container in ours.namespace.get("pod", pod)["spec"]["containers"]
        if container["name"] == "main"
    ]
    assert limits == ["80Mi", "160Mi", "320Mi"][: len(limits)]
    assert ours.published() == chain.published()


def test_a_corrupt_week_fails_the_run_and_the_other_week_is_published(release: Make, chain: Chain) -> None:
    drop(chain, NEXT_WEEK)
    chain.run(NEXT_WEEK)
    corrupt(chain, WEEK)
    ours = release("halfway")
    ours.upload(chain)
    ours.install()
    run = ours.submit()
    assert run.finished() == "Failed", run.explained()
    assert ours.published() == chain.published()
    [bad, good] = run.steps("ingest")
    assert (bad.exit_code, bad.phase, good.phase) == (3, "Failed", "Succeeded")
    assert "Error (exit code 3): bad input: broken.parquet" in run.shown()
    [verdict] = run.pods("verdict")
    assert '"status": "Failed"' in run.log(verdict)
    assert "bad input: broken.parquet" in run.log(verdict)
    assert [step.phase for step in run.steps("feature", "report")] == ["Succeeded", "Succeeded"]


def test_a_run_that_fails_calls_with_its_cause_until_a_good_one(
    release: Make, chain: Chain, alertmanager: str, prometheus: str
) -> None:
    corrupt(chain, WEEK)
    ours = release("calling")
    ours.upload(chain)
    ours.install()
    run = ours.submit()
    assert run.finished() == "Failed", run.explained()

    # A week of 2024 is overdue too, for good.
    wanted = {"alertname": "EventlogStageFailed", "job": ours.name}

    def calls() -> list[dict[str, Any]]:
        found = _asked(alertmanager, "/api/v2/alerts")
        return [call for call in found if wanted.items() <= call["labels"].items()]

    def said() -> str:
        return f"{calls()}\n{run.explained()}"

    [call] = wait_for("the call", calls, said)
    assert WEEK in call["annotations"]["summary"]
    assert "broken.parquet" in call["annotations"]["summary"]
    ours.store.client.delete_object(Bucket="eventlog", Key=f"{ours.name}/drops/{WEEK}/broken.parquet")
    good = ours.submit()
    assert good.finished() == "Succeeded", good.explained()
    wait_for("its end", lambda: not calls(), said)
    counted = f'argo_workflows_total_count{{namespace="{ours.namespace.name}",phase="Failed"}}'
    [count] = _asked(prometheus, f"/api/v1/query?{urlencode({'query': counted})}")["data"]["result"]
    assert float(count["value"][1]) >= 1


def _asked(address: str, path: str) -> Any:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
            return json.load(answer)
    except OSError as lost:  # the way there is made anew
        raise UnreachableError(str(lost)) from lost


def test_a_wrong_parameter_is_refused_before_anything_runs(release: Make, chain: Chain) -> None:
    drop(chain, WEEK)
    ours = release("refused")
    ours.upload(chain)
    ours.install()
    wrong = {
        "there is no such drop": ours.submit(week="2031-01-03"),
        "--week=yesterday: must be a calendar date such as 2024-05-10, or auto": ours.submit(week="yesterday"),
        "--force=maybe": ours.submit(week=WEEK, force="maybe"),
        f"--from={NEXT_WEEK} is later than --to={WEEK}": ours.submit("-backfill", **{"from": NEXT_WEEK, "to": WEEK}),
        "--dry-run=maybe: must be true or false": ours.submit(
            "-backfill", **{"from": WEEK, "to": WEEK, "dry_run": "maybe"}
        ),
    }
    for sentence, run in wrong.items():
        assert run.finished() == "Failed", run.explained()
        [plan] = run.steps("plan")
        assert plan.exit_code == (5 if "drop" in sentence else 2)
        assert sentence in plan.message
        assert sentence in run.shown()
        assert {step.template for step in run.steps("plan", "ingest", "clean", "feature", "report")} == {"plan"}
    assert not ours.lake_states()
