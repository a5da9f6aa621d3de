"""Every request of every stage goes wrong in every way, once, every third time and for ever."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from services.contracts.layout import STAGES, Stage
from tests.faults.cases import Often, Scene, make_scene, plan, play
from tests.faults.conftest import Matrix
from tests.faults.objects import CRASHES, NETWORK_FAULTS, Crash, NetworkFault
from tests.faults.s3 import Bucket

_QUICK: tuple[NetworkFault, ...] = ("500", "lost answer", "flipped byte", "foreign 412")


def _faults() -> list[object]:
    return [
        pytest.param(stage, fault, often, marks=() if quick else pytest.mark.faults_full)
        for stage in STAGES
        for fault in NETWORK_FAULTS
        for often in get_args(Often)
        if (quick := stage == "ingest" and fault in _QUICK and often == "once") is not None
    ]


@pytest.mark.parametrize(("stage", "fault", "often"), _faults())
def test_a_rerun_finishes_what_a_failing_request_left(
    bucket: Bucket, scratch: Path, matrix: Matrix, stage: Stage, fault: NetworkFault, often: Often
) -> None:
    scene = make_scene(bucket, scratch, stage, "first", "changed")
    endings = Counter[int | None]()
    for number, faults in enumerate(plan(scene, fault, often)):
        ending, wrong = play(bucket, scratch, scene, faults, permanent=often == "always")
        assert not wrong, f"case {number} of {fault} {often}, {scene.requests[number]}: {ending} {wrong}"
        if often == "once" and fault != "flipped byte":
            assert ending.exit_code == 0, f"{fault} at {scene.requests[number]} alone fails the run: {ending}"
        endings[ending.exit_code] += 1
    matrix.count(f"{fault}, {often}", f"each request of {stage}", endings.total())


@pytest.mark.parametrize(
    ("stage", "before", "crash"),
    [
        pytest.param(stage, before, crash, marks=() if quick else pytest.mark.faults_full)
        for stage in STAGES
        for before in (None, "first")
        for crash in CRASHES
        if (quick := (stage, before) == ("ingest", "first") or (crash == "kill after" and before)) is not None
    ],
)
def test_a_rerun_finishes_what_a_crash_left(
    bucket: Bucket, scratch: Path, matrix: Matrix, stage: Stage, before: str | None, crash: Crash
) -> None:
    scene = make_scene(bucket, scratch, stage, before, "changed")  # type: ignore[arg-type]
    cases = plan(scene, crash, "once")
    for number, faults in enumerate(cases):
        ending, wrong = play(bucket, scratch, scene, faults)
        assert not wrong, f"{crash} request {scene.requests[number]}: {ending} {wrong}"
        assert ending.exit_code == (None if crash.startswith("kill") else 1)
    matrix.count(crash, f"each request of {stage}", len(cases))


def test_a_run_asks_the_store_no_more_than_it_must(bucket: Bucket, scratch: Path) -> None:
    """A drawn picture of the protocol: one drop with three partitions on an empty lake."""
    scene: Scene = make_scene(bucket, scratch, "ingest", None, "first")
    operations = [r.operation for r in scene.requests if r.key.startswith("lake/")]
    assert Counter(operations)["put"] == 2 + 4 + 1  # the claim twice, three partitions and quarantine, the manifest
    assert [r.key for r in scene.requests][-1].endswith("manifest.json")
