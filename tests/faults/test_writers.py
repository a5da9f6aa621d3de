"""Two runs of one week, in every order of their steps; a run that is believed dead and wakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.contracts.layout import STAGES, Stage
from services.lake import publish
from tests.faults.cases import make_scene
from tests.faults.clock import Clock
from tests.faults.conftest import Matrix
from tests.faults.exploration import Explorer
from tests.faults.s3 import Bucket
from tests.faults.sleepers import MEANWHILES, Meanwhile, sleep_at_each_request

full = pytest.mark.faults_full


@pytest.mark.parametrize(
    ("sources", "writers", "published", "starts", "losses"),
    [
        pytest.param("AB", 2, True, 2, 0),
        pytest.param("AB", 2, True, 3, 2),
        pytest.param("ABA", 2, True, 2, 0),
        pytest.param("BAB", 2, True, 2, 0, marks=full),
        pytest.param("AB", 2, False, 2, 0, marks=full),
        pytest.param("AB", 3, True, 1, 0, marks=full),
        pytest.param("ABA", 2, True, 3, 0, marks=full),
    ],
)
def test_no_order_of_steps_leaves_a_lake_wrong_for_good(
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    matrix: Matrix,
    sources: str,
    writers: int,
    published: bool,
    starts: int,
    losses: int,
) -> None:
    """The drop's versions one after the other, `starts` of each writer; from every state a rerun finishes."""
    monkeypatch.setattr(publish, "_MAX_STARTS", starts)
    found = Explorer(publish.publish).explore(tuple(sources), writers, published, losses=losses)
    assert found.wrong is None
    matrix.count("interleavings", f"{writers} writers, drop {' then '.join(sources)}", found.states)


@pytest.mark.parametrize(
    ("stage", "meanwhile"),
    [
        pytest.param(stage, meanwhile, marks=() if (stage, meanwhile) == ("ingest", "newer inputs") else full)
        for stage in STAGES
        for meanwhile in MEANWHILES
    ],
)
def test_a_sleeper_that_wakes_changes_nothing_that_is_newer(
    bucket: Bucket, scratch: Path, matrix: Matrix, stage: Stage, meanwhile: Meanwhile
) -> None:
    scene = make_scene(bucket, scratch, stage, "first", "changed")
    cases = list(sleep_at_each_request(bucket, scratch, scene, meanwhile))
    wrong = [fault for case in cases for fault in case]
    assert not wrong, wrong[:3]
    matrix.count(f"asleep while {meanwhile}", f"each request of {stage}", len(cases))
