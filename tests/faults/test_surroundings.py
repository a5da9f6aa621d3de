"""The machine around a run: disk, memory, clock, locale; bytes stay the same or nothing is harmed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from services.contracts.layout import STAGES
from services.runtime import stage as runtime_stage
from tests.faults.checker import ZONES, check_settled
from tests.faults.conftest import Matrix
from tests.faults.drops import WEEK, drop
from tests.faults.golden import EMPTY, golden, legal_rows, rows_of
from tests.faults.places import Folders, environment
from tests.faults.runs import deliver, run_all
from tests.faults.s3 import Bucket

MIB = 1024**2
full = pytest.mark.faults_full


@pytest.mark.parametrize(
    "surroundings",
    [
        {"TZ": "Pacific/Kiritimati"},
        {"LC_ALL": "C", "LANG": "tr_TR.UTF-8"},
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "2", "EVENTLOG_WORKERS": "1", "OMP_NUM_THREADS": "1", "ARROW_IO_THREADS": "1"},
        {"EVENTLOG_WORKERS": "3", "EVENTLOG_KERNEL": "python"},
    ],
    ids=lambda surroundings: " ".join(f"{name}={value}" for name, value in surroundings.items()),
)
def test_no_surroundings_change_a_byte(
    bucket: Bucket, scratch: Path, tmp_path: Path, matrix: Matrix, surroundings: dict[str, str]
) -> None:
    """Processes on a folder against this process on S3; the drop's files lie in another order on disk."""
    place = Folders(tmp_path)
    for name in reversed(drop("late")):
        (tmp_path / "source" / WEEK).mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / WEEK / name).write_bytes(drop("late")[name])
    for stage in STAGES:
        assert _process(place, stage, surroundings) == 0
    deliver(bucket, WEEK, "late")
    run_all(bucket, scratch)
    here = {key.removeprefix("lake/"): o.content for key, o in bucket.objects.items() if key.startswith("lake/")}
    there = place.contents()
    assert {k: v for k, v in there.items() if k.startswith(ZONES)} == {
        k: v for k, v in here.items() if k.startswith(ZONES)
    }
    assert orjson.loads(there["_control/feature/manifest.json"])["outputs"]
    matrix.count("surroundings", "bytes are equal")


@pytest.mark.parametrize("shift", [-86_400, 86_400, 75 * 365 * 86_400], ids=["a day late", "a day early", "2099"])
def test_no_clock_changes_a_byte(
    bucket: Bucket, scratch: Path, monkeypatch: pytest.MonkeyPatch, matrix: Matrix, shift: int
) -> None:
    deliver(bucket, WEEK, "first")
    run_all(bucket, scratch)
    before = {key: o.content for key, o in bucket.objects.items() if key.startswith(tuple(f"lake/{z}" for z in ZONES))}
    bucket.restore({key: o for key, o in bucket.objects.items() if key.startswith("source/")})
    real = runtime_stage.time.time
    monkeypatch.setattr("time.time", lambda: real() + shift)
    monkeypatch.setattr(runtime_stage, "_now", lambda: "2099-01-01T00:00:00+00:00")
    assert [ending.exit_code for ending in run_all(bucket, scratch)] == [0, 0, 0]
    check_settled(bucket, {WEEK: "first"})
    assert before == {key: bucket.objects[key].content for key in before}
    matrix.count("clock", "bytes are equal")


@pytest.mark.parametrize("free_kib", [16, 32, 64, *(pytest.param(kib, marks=full) for kib in (0, 8, 24, 48, 96, 128))])
def test_a_full_disk_is_said_and_a_rerun_finishes(tmp_path: Path, matrix: Matrix, free_kib: int) -> None:
    with _small_disk(tmp_path / "lake"):
        place = Folders(tmp_path)
        place.deliver("first")
        filler = tmp_path / "lake" / "filler"
        free = os.statvfs(tmp_path / "lake").f_bavail * os.statvfs(tmp_path / "lake").f_frsize
        filler.write_bytes(bytes(max(free - free_kib * 1024, 0)))
        said: list[str] = []
        codes = [_process(place, stage, {}, said=said) for stage in STAGES]
        assert set(codes) <= {0, 5, 75}, said[codes.index(1)]  # 5: the stage before has nothing for this one
        assert 75 not in codes or "disk is full" in said[codes.index(75)] or "are free" in said[codes.index(75)]
        _check_legal(place)
        filler.unlink()
        assert [_process(place, stage, {}) for stage in STAGES] == [0, 0, 0]
        _check_complete(place)
    matrix.count("full disk", "the lake's")


def test_read_only_scratch_is_a_sentence(tmp_path: Path, matrix: Matrix) -> None:
    place = Folders(tmp_path)
    place.deliver("first")
    with _small_disk(tmp_path / "lake", options="ro"):
        said: list[str] = []
        assert _process(place, "ingest", {}, said=said) == 2
        assert "cannot be" in said[0]
        assert "check" in said[0]
    matrix.count("read-only disk", "the lake's")


@pytest.mark.parametrize("mib", [600, *(pytest.param(mib, marks=full) for mib in (900, 1400))])
def test_too_little_memory_harms_nothing(tmp_path: Path, matrix: Matrix, mib: int) -> None:
    place = Folders(tmp_path)
    place.deliver("first")
    for stage in STAGES:
        _process(place, stage, {}, before=lambda: resource.setrlimit(resource.RLIMIT_AS, (mib * MIB, mib * MIB)))
        _check_legal(place)
    assert [_process(place, stage, {}) for stage in STAGES] == [0, 0, 0]
    _check_complete(place)
    matrix.count("memory limit", "each stage", len(STAGES))


def _check_legal(place: Folders) -> None:
    for key, content in place.contents().items():
        if key.startswith(ZONES):
            assert rows_of(content) in legal_rows(key, (WEEK,))


def _check_complete(place: Folders) -> None:
    rows = {key: rows_of(content) for key, content in place.contents().items() if key.startswith(ZONES)}
    assert {k: v for k, v in rows.items() if v != EMPTY} == {
        k: v for k, v in golden(((WEEK, "first"),)).items() if v != EMPTY
    }


def _process(
    place: Folders,
    stage: str,
    variables: Mapping[str, str],
    *,
    said: list[str] | None = None,
    before: Callable[[], None] | None = None,
) -> int:
    command = [
        sys.executable,
        "-m",
        f"services.{stage}",
        "--source",
        place.source,
        "--lake",
        place.lake,
        "--week",
        WEEK,
    ]
    ended = subprocess.run(
        command, env=environment(variables), capture_output=True, text=True, check=False, preexec_fn=before
    )
    if said is not None:
        said.append(ended.stderr)
    return ended.returncode


@contextmanager
def _small_disk(folder: Path, options: str = "size=2m") -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can make a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)
