"""The release itself: refused where a value is wrong; upgraded, rolled back and removed without harm to the lake."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.contracts import layout
from tests.drops import WEEK
from tests.e2e.cluster import command, succeed, wait_for
from tests.e2e.drops import sample
from tests.e2e.release import Release

Make = Callable[[str], Release]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"settings": {"lake": "lake"}}, "settings.lake"),
        ({"settings": {"gate_eror_ratio": 0.5}}, "gate_eror_ratio"),
        ({"settings": {"gate_error_ratio": 5}}, "settings.gate_error_ratio"),
        ({"stages": {"clean": {"memoryMi": "1Gi"}}}, "stages.clean.memoryMi"),
        ({"cron": {"schedules": []}}, "cron.schedules"),
        ({"cronn": {}}, "cronn"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_installed(release: Make, values: dict[str, Any], named: str) -> None:
    ours = release("wrong")
    ended = ours.helm("install", **values)
    assert ended.code != 0
    assert named in ended.err.replace("/", ".")
    assert command("helm", "status", "-n", ours.namespace.name, ours.name).code != 0


def test_upgrade_and_rollback_during_a_run_and_uninstall_leave_the_lake(release: Make, tmp_path: Path) -> None:
    chain = sample(tmp_path, WEEK)
    chain.run()
    ours = release("moving")
    ours.upload(chain)
    slow = {"stages": {"ingest": {"cpuLimit": 0.15}, "clean": {"cpuLimit": 0.15}}}
    ours.install(**slow)
    run = ours.submit(week=WEEK)
    run.working("ingest")
    upgraded = ours.helm("upgrade", **slow, settings={"feature_weeks": 2})
    assert upgraded.code == 0, upgraded.err
    run.working("clean")
    succeed("helm", "rollback", "-n", ours.namespace.name, ours.name, "1")
    assert run.finished() == "Succeeded", run.explained()
    assert ours.published() == chain.published()
    before = ours.store.states(f"{ours.name}/")
    succeed("helm", "uninstall", "-n", ours.namespace.name, ours.name)
    assert ours.store.states(f"{ours.name}/") == before


def test_uninstall_ends_a_run_of_the_schedule_with_nothing_half_written(release: Make, tmp_path: Path) -> None:
    chain = sample(tmp_path, WEEK)
    chain.run()
    ours = release("leaving")
    ours.upload(chain)
    slow = {"ingest": {"cpuLimit": 0.15}}
    ours.install(stages=slow, cron={"schedules": ["* * * * *"], "suspend": False})
    ours.start_schedule()
    [run, *_] = wait_for("a run of the schedule", ours.workflows, lambda: command("argo", "cron", "list", "-A").out)
    run.working("ingest")
    succeed("helm", "uninstall", "-n", ours.namespace.name, ours.name)
    selector = ("-l", f"app.kubernetes.io/instance={ours.name}")
    wait_for(
        "the end of all its runs and pods",
        lambda: not ours.namespace.get("workflows,pods", *selector)["items"],
        lambda: ours.namespace.kubectl("get", "workflows,pods", *selector),
    )
    for key in (key for key in ours.store.states(f"{ours.name}/lake/") if not key.endswith("/lock")):
        head = ours.store.client.head_object(Bucket="eventlog", Key=key)
        assert head["Metadata"]["sha256"] == hashlib.sha256(ours.store.read(key)).hexdigest(), key
    assert f"{ours.name}/lake/{layout.manifest_key('ingest', WEEK)}" not in ours.store.states(f"{ours.name}/")
    ours.install()
    again = ours.submit()
    assert again.finished() == "Succeeded", again.explained()
    assert ours.published() == chain.published()
