"""The suite in little: each check yields what it found wrong; a bug in the commit code must be found by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.lake import publish
from services.lake.hashing_file import HashingFile
from tests.faults import exploration
from tests.faults.cases import make_scene, plan, play
from tests.faults.checker import Watch, check_settled
from tests.faults.drops import WEEK, Version
from tests.faults.runs import deliver, run_all, run_stage
from tests.faults.s3 import Bucket
from tests.faults.sleepers import sleep_at_each_request

Check = Callable[[Bucket, Path], Iterator[str]]


def republished_drops_leave_nothing_old(bucket: Bucket, scratch: Path) -> Iterator[str]:
    """First, changed, without rows, first again."""
    bucket.restore({})
    watch = Watch(bucket)
    versions: tuple[Version, ...] = ("first", "changed", "no rows", "first")
    for version in versions:
        deliver(bucket, WEEK, version)
        for ending in run_all(bucket, scratch):
            if ending.exit_code != 0:
                yield f"{version} ends with {ending}"
        try:
            check_settled(bucket, {WEEK: version})
        except (AssertionError, KeyError) as fault:
            yield f"{version}: {str(fault)[:200]}"
    yield from watch.broken


def one_fault_never_fails_a_run(bucket: Bucket, scratch: Path) -> Iterator[str]:
    """A foreign 412, a lost answer to a write; and a store that refuses one write for ever."""
    scene = make_scene(bucket, scratch, "ingest", "first", "changed")
    writes = scene._replace(requests=[request for request in scene.requests if request.operation == "put"])
    for fault in ("foreign 412", "lost answer"):
        for faults in plan(writes, fault, "once"):
            ending, wrong = play(bucket, scratch, scene, faults)
            yield from wrong
            if ending.exit_code != 0:
                yield f"one {fault} fails the run: {ending}"
    for faults in plan(writes, "500", "always"):
        yield from play(bucket, scratch, scene, faults, permanent=True)[1]


def crashes_are_finished_by_a_rerun(bucket: Bucket, scratch: Path) -> Iterator[str]:
    """Killed after each request."""
    scene = make_scene(bucket, scratch, "ingest", "first", "changed")
    for faults in plan(scene, "kill after", "once"):
        yield from play(bucket, scratch, scene, faults)[1]


def sleepers_change_nothing_newer(bucket: Bucket, scratch: Path) -> Iterator[str]:
    """Asleep before each request while a newer drop is published."""
    scene = make_scene(bucket, scratch, "ingest", "first", "changed")
    try:
        for wrong in sleep_at_each_request(bucket, scratch, scene, "newer inputs"):
            yield from wrong
    except AssertionError as fault:
        yield str(fault)


def what_the_encoder_breaks_is_not_published(bucket: Bucket, scratch: Path) -> Iterator[str]:
    """A byte flips before the hash is taken: only reading back shows it."""
    bucket.restore({})
    deliver(bucket, WEEK, "first")
    watch = Watch(bucket)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HashingFile, "write", _flipping(HashingFile.write))
        ending = run_stage(bucket, "ingest", scratch)
    if ending.exit_code == 0:
        yield "a broken file was published"
    yield from watch.broken


def no_order_of_steps_is_wrong(bucket: Bucket, scratch: Path) -> Iterator[str]:
    """Two writers in every order, while the drop changes."""
    for sources, published in (("AB", True), ("BAB", True), ("AB", False)):
        explorer = exploration.Explorer(publish.publish)
        found = explorer.explore(tuple(sources), 2, published)
        if found.wrong:
            yield found.wrong


BATTERY: tuple[Check, ...] = (
    republished_drops_leave_nothing_old,
    what_the_encoder_breaks_is_not_published,
    one_fault_never_fails_a_run,
    sleepers_change_nothing_newer,
    crashes_are_finished_by_a_rerun,
    no_order_of_steps_is_wrong,
)


def _flipping(write: Callable[[object, bytes], int]) -> Callable[[object, bytes], int]:
    def flipped(file: object, data: bytes) -> int:
        if len(data) > 40:  # a page, not the magic number
            data = bytes(data[:30]) + bytes([data[30] ^ 1]) + bytes(data[31:])
        return write(file, data)

    return flipped
