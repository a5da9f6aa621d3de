"""A run that sleeps before one of its requests, and wakes when others have been at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, get_args

from services.contracts.layout import STAGES, Stage
from tests.faults.cases import Scene
from tests.faults.checker import Watch, check_settled
from tests.faults.drops import WEEK, Version
from tests.faults.runs import deliver, run_all, run_stage
from tests.faults.s3 import Bucket

Meanwhile = Literal["a twin commits", "newer inputs", "newer inputs, then the old ones again"]
MEANWHILES: tuple[Meanwhile, ...] = get_args(Meanwhile)


def sleep_at_each_request(bucket: Bucket, scratch: Path, scene: Scene, meanwhile: Meanwhile) -> Iterator[list[str]]:
    """What was wrong, for a sleep before each request of the stage's run."""
    for request in scene.requests:
        bucket.restore(scene.objects)
        watch = Watch(bucket)
        last = _sleep_once(bucket, scratch, scene, request.number, meanwhile)
        wrong = [f"asleep before {request}: {fault}" for fault in watch.broken]
        # What the sleeper did is not undone by anybody: the lake must be what the others left.
        stages = (scene.stage,) if meanwhile == "a twin commits" else STAGES
        try:
            check_settled(bucket, {WEEK: last}, stages)
        except (AssertionError, KeyError) as fault:
            wrong.append(f"asleep before {request}: {str(fault)[:300]}")
        yield wrong


def _sleep_once(bucket: Bucket, scratch: Path, scene: Scene, number: int, meanwhile: Meanwhile) -> Version:
    versions: dict[Meanwhile, tuple[Version, ...]] = {
        "a twin commits": (),
        "newer inputs": ("late",),
        "newer inputs, then the old ones again": ("late", scene.version),
    }
    others = _others(bucket, scratch, scene.stage, versions[meanwhile])
    bucket.fault = lambda request: others() if request.number == number else None
    ending = run_stage(bucket, scene.stage, scratch)
    bucket.fault = lambda _: None
    # A sleeper that wakes in another world may have to give up, but never with a defect or a wrong claim.
    assert ending.exit_code in (0, 5), f"asleep before request {number}: {ending}"
    return (versions[meanwhile] or (scene.version,))[-1]


def _others(bucket: Bucket, scratch: Path, stage: Stage, versions: tuple[Version, ...]) -> Callable[[], None]:
    def work() -> None:
        bucket.fault = lambda _: None
        if not versions:
            assert run_stage(bucket, stage, scratch).exit_code == 0
        for version in versions:
            deliver(bucket, WEEK, version)
            assert all(ending.exit_code == 0 for ending in run_all(bucket, scratch))

    return work
