"""Ten things that go wrong, each on its whole way: the real pipeline, a gateway, Prometheus, Alertmanager, a person.

The right alert arrives, and only it, and ends after a good run. All trials run side by side under jobs of their own.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from services.cli.app import main
from tests.alerts import drops
from tests.alerts.pipeline import Pipeline
from tests.alerts.stand import Stand, stand

SOON = 180.0
"""Seconds from the push of what is wrong to the call; ten minutes are allowed."""
_TODAY = dt.datetime.now(dt.UTC).date()
OLD, BEFORE, BAD, GOOD = ((_TODAY + dt.timedelta(days=days)).isoformat() for days in (-14, -7, 0, 7))
LATE, LATER = ((_TODAY + dt.timedelta(days=days)).isoformat() for days in (-9, -2))


def _small(pipeline: Pipeline) -> None:
    pipeline.receive(BAD, drops.half)
    pipeline.run(BAD)


def _doubled(pipeline: Pipeline) -> None:
    pipeline.receive(BAD, drops.doubled)
    pipeline.run(BAD)


def _duplicates(pipeline: Pipeline) -> None:
    pipeline.receive(BAD, drops.duplicate_flood)
    pipeline.run(BAD)


def _clocks(pipeline: Pipeline) -> None:
    pipeline.receive(BAD, drops.clock_faults)
    pipeline.run(BAD)


def _slow(pipeline: Pipeline) -> None:
    pipeline.receive(BAD)
    sla = {"EVENTLOG_SLA_CLEAN_SECONDS": "30"}
    for stage in ("plan", "ingest"):
        assert pipeline.step(stage, BAD) == 0
    pipeline.stalled("clean", BAD, 40, **sla)
    assert pipeline.step("feature", BAD) == 0
    pipeline.verdict(BAD, "Succeeded")


def _killed(pipeline: Pipeline) -> None:
    pipeline.receive(BAD)
    for stage in ("plan", "ingest"):
        assert pipeline.step(stage, BAD) == 0
    pipeline.killed("clean", BAD)
    pipeline.verdict(BAD, "Failed", {"displayName": "clean(0)", "message": "OOMKilled (exit code 137)"})


def _failing(pipeline: Pipeline) -> None:
    pipeline.receive(BAD)
    stranger = _stranger(pipeline)
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"not of this pipeline")
    for stage, code in (("plan", 0), ("ingest", 0), ("clean", 3), ("feature", 0)):
        assert pipeline.step(stage, BAD) == code
    pipeline.verdict(BAD, "Failed", {"displayName": "clean", "message": "exit code 3"})


def _stranger(pipeline: Pipeline) -> Path:
    return pipeline.lake / f"clean/event_log/week={BAD}/pn=X/copy.parquet"


def _mended(pipeline: Pipeline) -> None:
    _stranger(pipeline).unlink()
    pipeline.run(BAD)


def _corrupt(pipeline: Pipeline) -> None:
    drops.corrupt(pipeline.receive(BAD))
    pipeline.run(BAD, EVENTLOG_ON_BAD_FILE="skip")


def _nothing(pipeline: Pipeline) -> None:
    """The last run was nine days ago; the gateway knows what it said."""
    pipeline.receive(LATE)
    pipeline.run(LATE, verdict=False, EVENTLOG_PUSHGATEWAY="")
    assert pipeline.step("push", LATE) == 0, pipeline.log.read_text()[-3000:]


def _good(pipeline: Pipeline) -> None:
    pipeline.receive(GOOD)
    pipeline.run(GOOD)


def _again(pipeline: Pipeline) -> None:
    pipeline.run(BAD)


def _late(pipeline: Pipeline) -> None:
    pipeline.receive(LATER)
    pipeline.run(LATER)


class Trial(NamedTuple):
    """What happens, what has to be said, and what ends it."""

    name: str
    bad: Callable[[Pipeline], None]
    alert: str
    says: str
    good: Callable[[Pipeline], None] = _good


TRIALS = (
    Trial("small-drop", _small, "EventlogRawSize", "less than the"),
    Trial("doubled-drop", _doubled, "EventlogRawSize", "more than the"),
    Trial("duplicate-flood", _duplicates, "EventlogDuplicates", "of the rise comes from pn=I13"),
    Trial("clock-faults", _clocks, "EventlogInvalidTimes", "from pn=L5"),
    Trial("slow-stage", _slow, "EventlogStageOverSla", "clean takes longer than it may"),
    Trial("killed-stage", _killed, "EventlogWorkflowFailed", "OOMKilled (exit code 137)", _again),
    Trial("failing-stage", _failing, "EventlogStageFailed", "copy.parquet was not written by this pipeline", _mended),
    Trial("corrupt-file", _corrupt, "EventlogSkippedFiles", "comes from file=part-000.parquet"),
    Trial("no-run", _nothing, "EventlogNoWeekPublished", f"No week after {LATE}", _late),
)
IN_CI = ("small-drop", "duplicate-flood", "killed-stage", "no-run")


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with two ordinary weeks, and drops that are yet to come."""
    folder = tmp_path_factory.mktemp("origin")
    drops.ordinary_drops(folder / "drops", tuple(sorted((OLD, BEFORE, LATE, LATER, BAD, GOOD))))
    for week in (OLD, BEFORE):
        (folder / "source").mkdir(exist_ok=True)
        (folder / "drops" / week).rename(folder / "source" / week)
    with pytest.raises(SystemExit) as ended:
        main(["-q", "run", "--source", str(folder / "source"), "--lake", str(folder / "lake"), "--json"])
    assert ended.value.code == 0
    return folder


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("stand")) as made:
        yield made


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, origin: Path, place: Stand, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[float]]]:
    """Every trial that was asked for, under way."""
    asked = {
        item.callspec.params["trial"].name
        for item in request.session.items
        if hasattr(item, "callspec") and "trial" in item.callspec.params
    }
    with ThreadPoolExecutor(len(TRIALS)) as pool:
        yield {
            trial.name: pool.submit(_tried, trial, tmp_path_factory.mktemp(trial.name), origin, place)
            for trial in TRIALS
            if trial.name in asked
        }


def _tried(trial: Trial, folder: Path, origin: Path, place: Stand) -> float:
    """Seconds from the last step of what is wrong to the call, once it has ended again."""
    job = f"trial-{trial.name}-{place.name}"
    pipeline = Pipeline(folder / "pipeline", origin, job, place.gateway, empty=trial.name == "no-run")
    trial.bad(pipeline)
    done = time.time()
    fired = place.await_call(lambda call: (call.job, call.alert, call.status) == (job, trial.alert, "firing"), SOON)
    assert trial.says in fired.summary
    trial.good(pipeline)
    place.await_call(lambda call: (call.job, call.alert, call.status) == (job, trial.alert, "resolved"), SOON)
    time.sleep(10)  # two more scrapes: nothing follows
    assert {call.alert for call in place.calls if call.job == job} == {trial.alert}
    firing = [call for call in place.calls if call.job == job and call.status == "firing"]
    assert len(firing) == 1, firing
    return max(fired.at - done, 0.0)


@pytest.mark.parametrize(
    "trial",
    [pytest.param(t, id=t.name, marks=[] if t.name in IN_CI else [pytest.mark.trials_full]) for t in TRIALS],
)
def test_the_right_alert_arrives_alone_and_ends(trial: Trial, outcomes: dict[str, Future[float]]) -> None:
    assert outcomes[trial.name].result(900) < SOON


@pytest.mark.trials_full
def test_a_gateway_that_is_down_is_said_and_harms_no_run(origin: Path, tmp_path: Path) -> None:
    with stand(tmp_path / "stand") as place:
        pipeline = Pipeline(tmp_path / "pipeline", origin, f"trial-gateway-{place.name}", place.gateway)
        pipeline.receive(BAD)
        pipeline.run(BAD)
        place.stop_gateway()
        pipeline.receive(GOOD)
        pipeline.run(GOOD)
        place.await_call(lambda call: (call.alert, call.status) == ("EventlogMetricsLost", "firing"), SOON)
        place.start_gateway()
        assert pipeline.step("push", GOOD) == 0, pipeline.log.read_text()[-3000:]
        place.await_call(lambda call: (call.alert, call.status) == ("EventlogMetricsLost", "resolved"), SOON)
        others = [call for call in place.calls if call.alert != "EventlogMetricsLost"]
        assert not others
