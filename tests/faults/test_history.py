"""A lake's whole life, drawn at random: drops arrive and change, runs end, crash, overlap, sleep and wake."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from services.contracts.layout import STAGES, Stage
from services.lake import publish, write
from tests.faults.checker import Watch, check_settled, puts_into_lake
from tests.faults.clock import Clock
from tests.faults.conftest import Matrix
from tests.faults.drops import VERSIONS, Version
from tests.faults.objects import CRASHES, NETWORK_FAULTS, Fault, Request
from tests.faults.runs import WEEKS, deliver, run_stage
from tests.faults.s3 import Bucket

weeks, versions = st.sampled_from(WEEKS), st.sampled_from(VERSIONS)
# Ingest starts what the others follow, and is quick.
stages = st.sampled_from(("ingest", "ingest", "clean", "feature"))
requests = st.integers(1, 45)


class Life(RuleBasedStateMachine):
    """One lake and its source."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.scratch = Path(self.folder.name)
        self.bucket = Bucket(Clock())
        self.watch = Watch(self.bucket)
        self.drops: dict[str, Version] = {}

    @initialize(version=versions)
    def begin(self, version: Version) -> None:
        """One week is complete."""
        self.drop(week=WEEKS[0], version=version)
        for stage in STAGES:
            self.run(stage=stage, week=WEEKS[0])

    @rule(week=weeks, version=versions)
    def drop(self, week: str, version: Version) -> None:
        """A drop arrives, is sent again, is changed, or gets a late file."""
        deliver(self.bucket, week, version)
        self.drops[week] = version

    @rule(stage=stages, week=weeks)
    def run(self, stage: Stage, week: str) -> None:
        """A run without faults; 5 where its input is not there yet."""
        ending = run_stage(self.bucket, stage, self.scratch, week)
        assert ending.exit_code in (0, 5), ending

    @rule(stage=stages, week=weeks, number=requests, crash=st.sampled_from((*CRASHES, *NETWORK_FAULTS)))
    def fail(self, stage: Stage, week: str, number: int, crash: Fault) -> None:
        """A run whose request of this number fails."""
        self._run_with(stage, week, number, lambda: crash)

    @rule(stage=stages, week=weeks, number=requests, version=versions, twin=stages)
    def wake(self, stage: Stage, week: str, number: int, version: Version, twin: Stage) -> None:
        """A run sleeps before a request; meanwhile the drop changes and another run goes through."""

        def meanwhile() -> None:
            self.drop(week=week, version=version)
            self.run(stage=twin, week=week)

        self._run_with(stage, week, number, meanwhile)

    @rule(stage=stages, week=weeks, number=requests)
    def twin(self, stage: Stage, week: str, number: int) -> None:
        """Two runs of the same stage and week, the second within the first."""
        self._run_with(stage, week, number, lambda: self.run(stage=stage, week=week))

    def _run_with(self, stage: Stage, week: str, number: int, event: object) -> None:
        first = len(self.bucket.requests)

        def fault(request: Request) -> Fault | None:
            if request.number != first + number:
                return None
            self.bucket.fault = lambda _: None
            return event()  # type: ignore[operator, no-any-return]

        self.bucket.fault = fault
        run_stage(self.bucket, stage, self.scratch, week)
        self.bucket.fault = lambda _: None

    @invariant()
    def nothing_illegal_was_ever_visible(self) -> None:
        assert not self.watch.broken, self.watch.broken[:3]

    def teardown(self) -> None:
        """A clean run finishes whatever was left, and the next has nothing to do."""
        with self.folder:
            for idle in (False, True):
                puts = puts_into_lake(self.bucket)
                for week in sorted(self.drops):
                    self._finish("ingest", week, idle=idle)
                    self._finish("clean", week, idle=idle)
                self._finish("feature", WEEKS[0], idle=idle)
                check_settled(self.bucket, self.drops, STAGES)
                assert not idle or puts == puts_into_lake(self.bucket)

    def _finish(self, stage: Stage, week: str, *, idle: bool) -> None:
        ending = run_stage(self.bucket, stage, self.scratch, week)
        assert ending.exit_code == 0, ending
        assert not idle or ending.said == "unchanged"


@pytest.mark.parametrize(
    ("examples", "steps"),
    [(5, 20), pytest.param(100, 50, marks=pytest.mark.faults_full)],
)
def test_whatever_happens_to_a_lake_a_rerun_makes_it_right(
    monkeypatch: pytest.MonkeyPatch, matrix: Matrix, examples: int, steps: int
) -> None:
    clock = Clock()
    monkeypatch.setattr(write, "time", clock)
    monkeypatch.setattr(publish, "time", clock)
    monkeypatch.setattr(publish, "_UPLOADS", 1)
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=examples < 100,
        ),
    )
    matrix.count("random histories", f"of {steps} steps", examples)
