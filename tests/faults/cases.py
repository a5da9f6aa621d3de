"""One case of the matrix: a state of the lake, a fault, a run under it, and what must hold afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from services.contracts.layout import STAGES, Stage
from tests.faults.checker import Watch, check_settled, puts_into_lake
from tests.faults.drops import WEEK, Version
from tests.faults.objects import Fault, Request, Stored
from tests.faults.runs import Ending, deliver, run_all, run_stage
from tests.faults.s3 import Bucket

Often = Literal["once", "every third", "always"]
Faults = Callable[[Request], Fault | None]
_ADVICE = re.compile(r"again|check|run the stage|ask the sender")
_PATIENCE = 60.0
"""Seconds within which a permanent error is reported, its retries included."""


class Scene(NamedTuple):
    """A lake just before a stage has something to do, and the requests of a run without faults."""

    stage: Stage
    version: Version
    objects: dict[str, Stored]
    requests: list[Request]


def make_scene(bucket: Bucket, scratch: Path, stage: Stage, before: Version | None, version: Version) -> Scene:
    """The lake holds `before`, the drop is `version`, and the stages before this one have seen it."""
    bucket.restore({})
    if before:
        deliver(bucket, WEEK, before)
        assert all(ending.exit_code == 0 for ending in run_all(bucket, scratch))
    deliver(bucket, WEEK, version)
    for earlier in STAGES[: STAGES.index(stage)]:
        assert run_stage(bucket, earlier, scratch).exit_code == 0
    objects = bucket.snapshot()
    bucket.requests = []
    assert run_stage(bucket, stage, scratch).exit_code == 0
    return Scene(stage, version, objects, list(bucket.requests))


def plan(scene: Scene, fault: Fault, often: Often) -> list[Faults]:
    """The faults of every case: each request once, each of three phases, each call for ever."""
    match often:
        case "once":
            return [_where(lambda request, n=r.number: request.number == n, fault) for r in scene.requests]  # type: ignore[misc]
        case "every third":
            return [_where(lambda request, n=n: request.number % 3 == n, fault) for n in range(3)]  # type: ignore[misc]
        case "always":
            calls = dict.fromkeys((r.operation, r.key) for r in scene.requests)
            return [_where(lambda request, c=c: (request.operation, request.key) == c, fault) for c in calls]  # type: ignore[misc]


def play(
    bucket: Bucket, scratch: Path, scene: Scene, faults: Faults, *, permanent: bool = False
) -> tuple[Ending, list[str]]:
    """Run under the faults, then once without, then once more; how the first ended, and all that was wrong."""
    bucket.restore(scene.objects)
    watch = Watch(bucket)
    bucket.fault = faults
    ending = run_stage(bucket, scene.stage, scratch)
    bucket.fault = lambda _: None
    wrong = _wrong_ending(bucket, scene, ending, permanent=permanent)
    again = run_stage(bucket, scene.stage, scratch)
    if again.exit_code != 0:
        wrong.append(f"the rerun ends with {again.exit_code}: {again.said}")
    elif fault := _unsettled(bucket, scene):
        wrong.append(f"after the rerun {fault}")
    bucket.requests = []
    idle = run_stage(bucket, scene.stage, scratch)
    if (idle.exit_code, idle.said, puts_into_lake(bucket)) != (0, "unchanged", 0):
        wrong.append(f"a rerun of a finished stage is {idle} with {puts_into_lake(bucket)} PUTs")
    return ending, wrong + watch.broken


def _wrong_ending(bucket: Bucket, scene: Scene, ending: Ending, *, permanent: bool) -> list[str]:
    """Exit 0 exactly when the lake is what the inputs say; else a code of its own and a sentence with advice."""
    unsettled = _unsettled(bucket, scene)
    if ending.exit_code == 0:
        return [f"exit 0 ({ending.said}), but {unsettled}"] if unsettled else []
    if ending.exit_code == 1 and "PlantedError" not in ending.said:
        return [f"a fault that the program does not know: {ending.said}"]
    if ending.exit_code == 75 and permanent and ending.seconds > _PATIENCE:
        return [f"took {ending.seconds:.0f} s to say: {ending.said}"]
    if ending.exit_code in (2, 3, 5, 75) and not _ADVICE.search(ending.said):
        return [f"exit {ending.exit_code} without advice: {ending.said}"]
    return []


def _unsettled(bucket: Bucket, scene: Scene) -> str | None:
    try:
        check_settled(bucket, {WEEK: scene.version}, (scene.stage,))
    except (AssertionError, KeyError) as fault:
        return f"the lake is not what its inputs say: {str(fault)[:300]}"
    return None


def _where(chosen: Callable[[Request], bool], fault: Fault) -> Faults:
    return lambda request: fault if chosen(request) else None
