"""Erasing under every crash, beside every sleeper: no row of the device comes back, no row of another is lost.

What must be left is the reference's word for the drop without the device's rows; see `_without`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from services.clean.job import clean
from services.contracts.layout import STAGES
from services.control.erase import Erased, Work, erase
from services.feature.job import feature
from services.ingest.job import ingest
from services.ingest.rewrite import rewrite
from services.lake.s3 import S3Store
from services.runtime.settings import Settings
from tests import reference
from tests.faults.conftest import Matrix
from tests.faults.drops import NEXT_WEEK, VERSIONS, WEEK, Version, drop, table
from tests.faults.golden import EMPTY, Rows, as_rows, rows_of
from tests.faults.objects import CRASHES, KilledError, PlantedError
from tests.faults.runs import LAKE, SOURCE, deliver, run_all, run_stage
from tests.faults.s3 import Bucket

TAG = "T1"
_FULL = pytest.mark.faults_full
CRASH_STRIDES = [pytest.param(7, marks=_FULL, id="every seventh"), pytest.param(29, id="a sample")]
"""Of six hundred requests, each of which takes two erasures; kinds of crashes begin at different ones."""
SLEEP_STRIDES = [pytest.param(3, marks=_FULL, id="every third"), pytest.param(11, id="a sample")]
_ZONES = ("raw/", "clean/", "feature/")


def _settings(scratch: Path) -> Settings:
    return Settings(source=SOURCE, lake=LAKE, workers=1, scratch=scratch)


def _erase(bucket: Bucket, scratch: Path, tag: str = TAG) -> Erased:
    settings = _settings(scratch)
    lake = S3Store(LAKE, client=bucket.client)
    work = Work(
        lambda week: rewrite(settings, lake, str(week)),
        lambda week: ingest(settings, S3Store(SOURCE, client=bucket.client), lake, str(week)),
        lambda week: clean(settings, lake, str(week)),
        lambda _: feature(settings, lake),
    )
    return erase(settings, lake, tag, work)


def _without(drops: dict[str, Version], tag: str = TAG) -> dict[str, Rows]:
    """Rows by key for these drops, had the device never been in them; rows keep their numbers."""
    zones: dict[str, Rows] = {}
    cleans = {}
    for week, version in drops.items():
        raw, _ = reference.ingest({name: table(version, name) for name in drop(version)}, week)
        raw = raw[raw["service_tag"] != tag]
        cleans[week] = reference.clean(raw, week)[0]
        for zone, frame in (("raw", raw), ("clean", cleans[week])):
            for pn, rows in frame.groupby("pn"):
                key = f"{zone}/event_log/week={week}/pn={pn}/{week}_{pn}.parquet"
                zones[key] = _rows(rows.drop(columns="pn"))
    features, errors = reference.feature(cleans)
    tables = {"device_features": features, "error_events": errors}
    return {**zones, **{f"feature/event_log/{name}.parquet": _rows(frame) for name, frame in tables.items()}}


def _rows(frame: object) -> Rows:
    records = frame.itertuples(index=False, name=None)  # type: ignore[attr-defined]
    return as_rows(dict(zip(frame.columns, row, strict=True)) for row in records)  # type: ignore[attr-defined]


def _published(bucket: Bucket) -> dict[str, Rows]:
    keys = {key.removeprefix("lake/"): key for key in bucket.objects if key.startswith("lake/")}
    found = {key: rows_of(bucket.objects[at].content) for key, at in keys.items() if key.startswith(_ZONES)}
    return {key: rows for key, rows in found.items() if rows != EMPTY}


def _expected(drops: dict[str, Version]) -> dict[str, Rows]:
    return {key: rows for key, rows in _without(drops).items() if rows != EMPTY}


def _two_weeks(bucket: Bucket, scratch: Path) -> dict[str, Version]:
    drops: dict[str, Version] = {WEEK: "first", NEXT_WEEK: "late"}
    bucket.restore({})
    for week, version in drops.items():
        deliver(bucket, week, version)
        assert all(ending.exit_code == 0 for ending in run_all(bucket, scratch, week))
    return drops


def _requests(bucket: Bucket, work: Callable[[], object]) -> int:
    """How many requests some work makes; the bucket is as before afterwards."""
    before = bucket.snapshot()
    bucket.requests = []
    work()
    made = len(bucket.requests)
    bucket.restore(before)
    return made


def test_other_devices_are_as_the_reference_says_and_a_second_erasure_writes_nothing(
    bucket: Bucket, scratch: Path
) -> None:
    drops = _two_weeks(bucket, scratch)
    erased = _erase(bucket, scratch)
    assert (erased.exit_code, erased.left) == (0, 0)
    assert _published(bucket) == _expected(drops)
    before = bucket.snapshot()
    assert _erase(bucket, scratch).exit_code == 0
    for week in drops:
        assert {ending.said for ending in run_all(bucket, scratch, week)} == {"unchanged"}
    assert bucket.snapshot() == before


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("stride", CRASH_STRIDES)
def test_a_crash_at_any_request_is_finished_by_a_rerun_though_the_drops_are_gone(
    bucket: Bucket, scratch: Path, crash: str, stride: int, matrix: Matrix
) -> None:
    drops = _two_weeks(bucket, scratch)
    for key in [key for key in bucket.objects if key.startswith("source/")]:
        del bucket.objects[key]
    expected, start = _expected(drops), bucket.snapshot()
    requests = _requests(bucket, lambda: _erase(bucket, scratch))
    numbers = range(1 + CRASHES.index(crash) % stride, requests + 1, stride)
    for number in numbers:
        bucket.restore(start)
        bucket.fault = lambda request, n=number: crash if request.number == n else None  # type: ignore[misc]
        with suppress(KilledError, PlantedError):
            _erase(bucket, scratch)
        bucket.fault = lambda _: None
        again = _erase(bucket, scratch)
        assert (again.exit_code, again.left) == (0, 0), number
        assert _published(bucket) == expected, number
    matrix.count(f"erase: {crash}", "then a rerun", len(numbers))


@pytest.mark.parametrize("crash", ["kill before", "kill after"])
@pytest.mark.parametrize("stride", CRASH_STRIDES)
def test_an_ordinary_run_after_a_killed_erasure_keeps_to_the_record(
    bucket: Bucket, scratch: Path, crash: str, stride: int, matrix: Matrix
) -> None:
    """Once the device is recorded a run of the stages alone finishes; before, nothing has happened."""
    drops = _two_weeks(bucket, scratch)
    start, expected = bucket.snapshot(), _expected(drops)
    untouched = _published(bucket)
    requests = _requests(bucket, lambda: _erase(bucket, scratch))
    for number in range(1, requests + 1, stride):
        bucket.restore(start)
        bucket.fault = lambda request, n=number: crash if request.number == n else None  # type: ignore[misc]
        with suppress(KilledError):
            _erase(bucket, scratch)
        bucket.fault = lambda _: None
        endings = [run_stage(bucket, stage, scratch, week) for week in drops for stage in ("ingest", "clean")]
        endings.append(run_stage(bucket, "feature", scratch))
        assert not [ending for ending in endings if ending.exit_code], number
        recorded = "lake/_control/erasures.json" in bucket.objects
        assert _published(bucket) == (expected if recorded else untouched), number
    matrix.count(f"erase: {crash}", "then an ordinary run", len(range(1, requests + 1, stride)))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("force", [True, False], ids=["forced", "plain"])
@pytest.mark.parametrize("stride", SLEEP_STRIDES)
def test_a_run_that_sleeps_while_a_device_is_erased_does_not_bring_it_back(
    bucket: Bucket, scratch: Path, version: Version, force: bool, stride: int, matrix: Matrix
) -> None:
    """Asleep before each request of each stage; the drop has changed, or the run is forced, or it is new."""
    drops = _two_weeks(bucket, scratch)
    deliver(bucket, WEEK, version)
    start = bucket.snapshot()
    for stage in STAGES:
        bucket.restore(start)
        requests = _requests(bucket, lambda s=stage: run_stage(bucket, s, scratch, force=force))  # type: ignore[misc]
        for number in range(1, requests + 1, stride):
            bucket.restore(start)
            ended: list[Erased] = []

            def others(n: int = number, ended: list[Erased] = ended) -> Callable[[object], None]:
                def fault(request: object) -> None:
                    if request.number == n and not ended:  # type: ignore[attr-defined]
                        bucket.fault = lambda _: None
                        ended.append(_erase(bucket, scratch))

                return fault

            bucket.fault = others()
            ending = run_stage(bucket, stage, scratch, force=force)
            bucket.fault = lambda _: None
            where = f"{stage} asleep before request {number}: {ending}"
            assert ending.exit_code in (0, 5), where
            assert [e.exit_code for e in ended] == [0], where
            found = _published(bucket)
            assert not [key for key, rows in found.items() if _holds(rows)], where
        assert all(ending.exit_code == 0 for ending in run_all(bucket, scratch))
        assert _published(bucket) == _expected({**drops, WEEK: version})
        tried = len(range(1, requests + 1, stride))
        matrix.count("erase: a sleeper wakes", f"{stage}, {'forced' if force else 'plain'}", tried)


def _holds(rows: Rows) -> bool:
    return any(("service_tag", TAG) in row for row in rows)


@pytest.mark.parametrize("stride", SLEEP_STRIDES)
def test_a_new_week_that_sleeps_while_a_device_is_erased_comes_without_it(
    bucket: Bucket, scratch: Path, stride: int
) -> None:
    bucket.restore({})
    deliver(bucket, NEXT_WEEK, "late")
    assert all(ending.exit_code == 0 for ending in run_all(bucket, scratch, NEXT_WEEK))
    deliver(bucket, WEEK, "first")
    start = bucket.snapshot()
    requests = _requests(bucket, lambda: run_stage(bucket, "ingest", scratch))
    for number in range(1, requests + 1, stride):
        bucket.restore(start)
        ended: list[Erased] = []

        def fault(request: object, n: int = number, ended: list[Erased] = ended) -> None:
            if request.number == n and not ended:  # type: ignore[attr-defined]
                bucket.fault = lambda _: None
                ended.append(_erase(bucket, scratch))

        bucket.fault = fault  # type: ignore[assignment]
        ending = run_stage(bucket, "ingest", scratch)
        bucket.fault = lambda _: None
        assert ending.exit_code == 0, (number, ending)
        assert [e.exit_code for e in ended] == [0]
        assert not [key for key, rows in _published(bucket).items() if _holds(rows)], number
    assert all(ending.exit_code == 0 for ending in run_all(bucket, scratch))
    assert _published(bucket) == _expected({WEEK: "first", NEXT_WEEK: "late"})


@pytest.mark.parametrize("stride", CRASH_STRIDES)
def test_two_devices_erased_at_once_are_both_gone(bucket: Bucket, scratch: Path, stride: int, matrix: Matrix) -> None:
    """The second begins, and ends, before each request of the first."""
    _two_weeks(bucket, scratch)
    start = bucket.snapshot()
    requests = _requests(bucket, lambda: _erase(bucket, scratch))
    for number in range(1, requests + 1, stride):
        bucket.restore(start)
        ended: list[Erased] = []

        def fault(request: object, n: int = number, ended: list[Erased] = ended) -> None:
            if request.number == n and not ended:  # type: ignore[attr-defined]
                bucket.fault = lambda _: None
                ended.append(_erase(bucket, scratch, "T2"))

        bucket.fault = fault  # type: ignore[assignment]
        first = _erase(bucket, scratch)
        bucket.fault = lambda _: None
        assert first.exit_code == 0, (number, first)
        assert [e.exit_code for e in ended] == [0], number
        tags = {
            value
            for rows in _published(bucket).values()
            for row in rows
            for name, value in row
            if name == "service_tag"
        }
        assert not tags & {"T1", "T2"}, number
        for week in (WEEK, NEXT_WEEK):
            assert {ending.said for ending in run_all(bucket, scratch, week)} == {"unchanged"}, number
    matrix.count("erase: another device meanwhile", "the other at its requests", len(range(1, requests + 1, stride)))
