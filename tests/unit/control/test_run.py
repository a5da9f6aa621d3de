"""The order of a run, and that one bad week does not stop the others."""

import pytest
from structlog.testing import capture_logs

from services.contracts.errors import BadInputError, InterruptedRun, TemporaryError
from services.control.run import run_weeks
from services.lake.publish import Outcome
from services.runtime.settings import Settings


class Calls:
    """Stages that only remember; those named in `bad` raise."""

    def __init__(self, bad=()):
        self.seen, self._bad = [], dict(bad)

    def stage(self, name):
        def work(week):
            self.seen.append((name, week))
            if (name, week) in self._bad:
                raise self._bad[name, week]
            return Outcome("published", "generation 1", None)

        return work

    def run(self, weeks=("w1", "w2")):
        stages = {name: self.stage(name) for name in ("ingest", "clean")}
        with capture_logs():
            return run_weeks(Settings(), weeks, weeks[-1], stages, self.stage("feature"))


def test_weeks_go_through_one_after_the_other_and_features_come_once():
    calls = Calls()
    assert calls.run().exit_code == 0
    assert calls.seen == [("ingest", "w1"), ("clean", "w1"), ("ingest", "w2"), ("clean", "w2"), ("feature", None)]


def test_a_bad_week_is_left_and_the_others_go_on():
    calls = Calls({("ingest", "w1"): BadInputError("broken")})
    result = calls.run()
    assert calls.seen == [("ingest", "w1"), ("ingest", "w2"), ("clean", "w2"), ("feature", None)]
    assert [(r.week, r.outcome, r.reason) for r in result.results[:2]] == [
        ("w1", "failed", "broken"),
        ("w1", "skipped", "ingest failed"),
    ]
    assert result.exit_code == 3


def test_the_worst_exit_code_wins():
    bad = {
        ("ingest", "w1"): BadInputError("x"),
        ("clean", "w2"): TemporaryError("y"),
        ("feature", None): BadInputError("z"),
    }
    assert Calls(bad).run(("w1", "w2", "w3")).exit_code == 75


def test_features_wait_where_no_week_came_through():
    calls = Calls({("ingest", "w1"): BadInputError("x")})
    assert calls.run(("w1",)).results[-1].outcome == "skipped"
    assert ("feature", None) not in calls.seen


def test_an_interruption_stops_everything():
    calls = Calls({("clean", "w1"): InterruptedRun(15)})
    with pytest.raises(InterruptedRun):
        calls.run()
    assert calls.seen == [("ingest", "w1"), ("clean", "w1")]
