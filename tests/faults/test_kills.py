"""Real processes, killed at any moment and started again, while somebody reads all the time."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import duckdb
import pytest

from tests.containers import Minio
from tests.faults.checker import ZONES
from tests.faults.conftest import Matrix
from tests.faults.drops import WEEK, Version
from tests.faults.golden import EMPTY, Rows, as_rows, golden, legal_rows, rows_of
from tests.faults.places import BucketOnServer, Folders, Place, environment

_LONGEST = 0.6
"""Seconds after a claim within which a run is killed: a stage takes about half as long."""

_PAUSE = 0.02
"""Seconds between two readings; the runs need the processor too."""

_rows_of = lru_cache(1024)(rows_of)
"""Between two readings hardly anything changes."""


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.faults_full)])
def test_a_killed_run_on_a_folder_is_finished_by_the_next(tmp_path: Path, matrix: Matrix, kills: int) -> None:
    place = Folders(tmp_path)
    with _reading(lambda: _read_both_ways(place, tmp_path / "lake")) as seen:
        _kill_and_rerun(place, {}, kills)
    assert seen, "the reader never saw anything"
    matrix.count("kill -9, then a rerun", "a process on a folder", kills)


@pytest.mark.integration
@pytest.mark.parametrize("kills", [pytest.param(30, marks=pytest.mark.faults_full)])
def test_a_killed_run_on_minio_is_finished_by_the_next(minio: Minio, matrix: Matrix, kills: int) -> None:
    place = BucketOnServer(minio)
    with _reading(lambda: _read_whole(place.contents())) as seen:
        _kill_and_rerun(place, minio.environment(), kills)
    assert seen, "the reader never saw anything"
    place.close()
    matrix.count("kill -9, then a rerun", "a process on MinIO", kills)


def _kill_and_rerun(place: Place, variables: Mapping[str, str], kills: int) -> None:
    dice = random.Random(kills)
    for number in range(kills):
        version: Version = ("first", "changed", "late")[number % 3]
        place.deliver(version)
        _kill(place, variables, claims=dice.randint(1, 3), after=dice.uniform(0, _LONGEST))
        _finish(place, variables)
        expected = {key: rows for key, rows in golden(((WEEK, version),)).items() if rows != EMPTY}
        assert {key: rows for key, rows in _read_whole(place.contents()).items() if rows != EMPTY} == expected
    before = place.states()
    _finish(place, variables)
    assert place.states() == before


def _kill(place: Place, variables: Mapping[str, str], *, claims: int, after: float) -> None:
    """Kill a run so many seconds after it claimed its first, second or third generation, if it still lives."""
    process = _start(place, variables)
    assert process.stderr
    for line in process.stderr:
        claims -= '"event": "claimed"' in line
        if not claims:
            time.sleep(after)
            break
    process.kill()
    process.communicate()


def _finish(place: Place, variables: Mapping[str, str]) -> None:
    process = _start(place, variables)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said


def _start(place: Place, variables: Mapping[str, str]) -> subprocess.Popen[str]:
    """All three stages in one process."""
    door = [sys.executable, "-m", "services.cli", "run"]
    command = [*door, "--source", place.source, "--lake", place.lake, "--week", WEEK]
    return subprocess.Popen(
        command, env=environment(variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@contextmanager
def _reading(read: Callable[[], dict[str, Rows]]) -> Iterator[set[str]]:
    """Read all the time; every object that is seen must be legal."""
    seen: set[str] = set()
    wrong: list[str] = []
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            try:
                for key, rows in read().items():
                    seen.add(key)
                    if rows not in legal_rows(key, (WEEK,)):
                        wrong.append(f"{key} has rows of no golden run")
            except Exception as fault:  # noqa: BLE001  (whatever a reader meets is a finding)
                wrong.append(repr(fault))
            stop.wait(_PAUSE)

    reader = threading.Thread(target=loop)
    reader.start()
    try:
        yield seen
    finally:
        stop.set()
        reader.join()
    assert not wrong, wrong[:3]


def _read_whole(contents: Mapping[str, bytes]) -> dict[str, Rows]:
    return {key: _rows_of(content) for key, content in contents.items() if key.startswith(ZONES)}


def _read_both_ways(place: Folders, lake: Path) -> dict[str, Rows]:
    """Each file by itself, as it is; and all clean files by one glob, unless one was replaced meanwhile.

    DuckDB opens a path more than once in a query: what it mixes then, the states before and after give away.
    """
    before = place.states()
    try:
        found = (
            _read_by_duckdb(lake) if any("/event_log/" in key and key.startswith("clean/") for key in before) else {}
        )
    except duckdb.Error:
        if place.states() == before:
            raise
        found = {}
    return _read_whole(place.contents()) | (found if place.states() == before else {})


def _read_by_duckdb(lake: Path) -> dict[str, Rows]:
    glob = f"{lake}/clean/event_log/*/*/*.parquet"
    with duckdb.connect() as connection:
        query = "SELECT * FROM read_parquet(?, filename = true, hive_partitioning = false)"
        found = connection.sql(query, params=[glob]).to_arrow_table()
    rows: dict[str, list[dict[str, object]]] = {}
    for row in found.to_pylist():
        key = Path(str(row.pop("filename"))).relative_to(lake).as_posix()
        rows.setdefault(key, []).append(row)
    return {key: as_rows(of_key) for key, of_key in rows.items()}
