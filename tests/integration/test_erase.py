"""Erasing on a real object store and on a folder, in processes of their own: killed, and beside an ordinary run."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from services.contracts import layout
from tests.containers import Bucket
from tests.drops import WEEK, ZONES, Chain, read_file
from tests.integration.lakes import Golden
from tests.integration.weeks import write_weeks

pytestmark = pytest.mark.integration

Start = Callable[..., subprocess.Popen[str]]
TAG = "T42"


class Lake:
    """What lies in a lake, in a bucket or in a folder."""

    def __init__(self, bucket: Bucket | None, root: Path) -> None:
        self._bucket, self._root = bucket, root
        self.url = f"{bucket.url}/lake" if bucket else str(root / "lake")

    def read(self) -> dict[str, bytes]:
        if self._bucket:
            keys = [key for zone in ZONES for key in self._bucket.names(f"lake/{zone}/")]
            return {key.removeprefix("lake/"): self._bucket.read(key) for key in keys}
        lake = self._root / "lake"
        paths = [path for zone in ZONES for path in (lake / zone).rglob("*.parquet")]
        return {path.relative_to(lake).as_posix(): path.read_bytes() for path in paths}

    def tables(self) -> dict[str, pa.Table]:
        return {key: read_file(io.BytesIO(content)) for key, content in self.read().items()}

    def has(self, key: str) -> bool:
        return bool(self._bucket.names(f"lake/{key}")) if self._bucket else (self._root / "lake" / key).exists()

    def generation(self, stage: layout.Stage, week: str | None = WEEK) -> int:
        key = layout.claim_key(stage, week)
        text = self._bucket.read(f"lake/{key}") if self._bucket else (self._root / "lake" / key).read_bytes()
        return int(orjson.loads(text)["generation"])


@pytest.fixture(params=["s3", "local"])
def lake(request: pytest.FixtureRequest, bucket: Bucket, tmp_path: Path) -> Lake:
    return Lake(bucket if request.param == "s3" else None, tmp_path)


def others(table: pa.Table) -> pa.Table:
    return table.filter(pc.not_equal(table["service_tag"], TAG)) if "service_tag" in table.column_names else table


def ended(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert TAG not in err
    return orjson.loads(out)


def assert_only_others(lake: Lake, before: dict[str, pa.Table]) -> None:
    after = lake.tables()
    assert after.keys() == before.keys()
    for key, table in after.items():
        assert table.equals(others(before[key])), key
    assert not [key for key, content in lake.read().items() if TAG.encode() in content]


def test_erasing_leaves_every_other_row_and_the_drop_brings_nothing_back(
    golden: Golden, lake: Lake, start: Start
) -> None:
    places = ("--source", str(golden.chain.root / "source"), "--lake", lake.url)
    ended(start("run", "--json", *places))
    before = lake.tables()
    proof = ended(start("erase", "--service-tag", TAG, "--json", *places))
    assert proof["left"] == 0
    assert proof["objects"] == len(before)
    assert_only_others(lake, before)
    bytes_after = lake.read()
    again = ended(start("run", "--json", *places))
    assert {result["outcome"] for result in again["results"]} == {"unchanged"}  # type: ignore[attr-defined]
    assert lake.read() == bytes_after


@pytest.mark.parametrize("stage", ["ingest", "clean"])
def test_an_erasure_that_is_killed_half_way_is_finished_by_the_next(
    lake: Lake, start: Start, tmp_path: Path, stage: layout.Stage
) -> None:
    """Killed as soon as it has claimed the week of a stage; then the drop goes, too."""
    source = tmp_path / "source"
    write_weeks(source, (WEEK,), [f"P{n:03}" for n in range(24)])
    places = ("--source", str(source), "--lake", lake.url)
    ended(start("run", "--json", *places))
    before = lake.tables()
    victim = start("erase", "--service-tag", TAG, *places)
    while lake.generation(stage) == 1:
        assert victim.poll() is None, victim.communicate()[1]
        time.sleep(0.002)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    shutil.rmtree(source)
    proof = ended(start("erase", "--service-tag", TAG, "--json", *places))
    assert proof["left"] == 0
    assert_only_others(lake, before)


def test_an_ordinary_run_at_the_same_time_does_not_bring_the_device_back(
    golden: Golden, lake: Lake, start: Start, tmp_path: Path
) -> None:
    """The drop is one file longer when both begin, and the ordinary run is forced."""
    source = tmp_path / "changing"
    shutil.copytree(golden.chain.root / "source", source)
    places = ("--source", str(source), "--lake", lake.url)
    ended(start("run", "--json", *places))
    shutil.copy(source / WEEK / "part-0.parquet", source / WEEK / "part-9.parquet")
    run, erase = start("run", "--force", "--json", *places), start("erase", "--service-tag", TAG, "--json", *places)
    _, err = run.communicate(timeout=240)
    assert run.returncode in (0, 5), err  # what it read may have been published again, over and over
    assert ended(erase)["left"] == 0
    ended(start("run", "--json", *places))
    undisturbed = Chain(tmp_path / "undisturbed")
    shutil.copytree(source, undisturbed.root / "source")
    undisturbed.run(WEEK, "2024-05-17")
    assert_only_others(lake, Lake(None, undisturbed.root).tables())
