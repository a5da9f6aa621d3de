"""What must hold of a lake, at every instant and once a clean run is through."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache

import orjson
import pyarrow.parquet as pq

from services.contracts import layout
from services.contracts.layout import STAGES, Stage
from tests.faults.drops import Version
from tests.faults.golden import EMPTY, Rows, conserves, golden, legal_rows, rows_of
from tests.faults.objects import Put, Stored
from tests.faults.runs import WEEKS
from tests.faults.s3 import Bucket

ZONES = ("raw/", "clean/", "feature/", "quarantine/")


class Watch:
    """Looks at every write at the instant at which it takes effect."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._generations: dict[str, int] = {}
        self.broken: list[str] = []
        """What was wrong; a run may swallow an exception, so nothing is raised here."""
        for put in bucket.history:
            self(put)
        bucket.watch = self

    def __call__(self, put: Put) -> None:
        key = put.key.removeprefix("lake/")
        if key == put.key:
            return
        if key.startswith(ZONES):
            self._look_at_data(key, put.stored)
        elif key.endswith("manifest.json"):
            self._look_at_manifest(key, put.stored)
        elif not key.endswith("claim.json"):
            self.broken.append(f"{key} is neither data nor control")

    def _look_at_data(self, key: str, stored: Stored) -> None:
        rows, generation = _read(stored.content)
        if rows is None:
            self.broken.append(f"{key} is not a whole Parquet file")
        elif rows not in legal_rows(key, WEEKS):
            self.broken.append(f"{key} has rows of no golden run")
        if generation is None or str(generation) != stored.metadata.get("generation"):
            self.broken.append(f"{key}: generation {generation} in the file, {stored.metadata} beside it")
        self._newer(key, generation or 0)

    def _look_at_manifest(self, key: str, stored: Stored) -> None:
        manifest = orjson.loads(stored.content)
        self._newer(key, manifest["generation"])
        at = {f"lake/{o['key']}": o["etag"] for o in manifest["outputs"]}
        if not _existed_together(at, self._bucket.history):
            self.broken.append(f"{key} names objects that never existed together")

    def _newer(self, key: str, generation: int) -> None:
        if generation <= self._generations.get(key, -1):
            self.broken.append(f"{key} goes from generation {self._generations[key]} to {generation}")
        self._generations[key] = generation


def _existed_together(etags: dict[str, str], history: list[Put]) -> bool:
    """Whether at some instant all of these were the current ones."""
    now: dict[str, str] = {}
    for put in history:
        now[put.key] = put.stored.etag
        if all(now.get(key) == etag for key, etag in etags.items()):
            return True
    return False


@cache
def _read(content: bytes) -> tuple[Rows | None, int | None]:
    try:
        metadata = pq.read_metadata(io.BytesIO(content)).metadata or {}
        return rows_of(content), int(metadata[b"eventlog.generation"])
    except (OSError, KeyError, ValueError):
        return None, None


def check_settled(bucket: Bucket, drops: dict[str, Version], stages: tuple[Stage, ...] = STAGES) -> None:
    """What these stages own is what the drops say, no more and no less, and the manifests name exactly that."""
    expected = golden(tuple(sorted(drops.items())))
    for stage in stages:
        for week in (None,) if stage == "feature" else tuple(sorted(drops)):
            prefixes = layout.zone_prefixes(stage, week)
            zones = {key: content for key, content in zone_contents(bucket).items() if key.startswith(prefixes)}
            found = {key: _read(content)[0] for key, content in zones.items()}
            assert _with_rows(found) == _with_rows({k: rows for k, rows in expected.items() if k.startswith(prefixes)})
            check_manifest(bucket, layout.control_folder(stage, week), prefixes)
    if "clean" in stages:
        for week, version in drops.items():
            conserves(zone_contents(bucket), week, version)


def _with_rows(zones: Mapping[str, Rows | None]) -> dict[str, Rows | None]:
    return {key: rows for key, rows in zones.items() if rows != EMPTY}


def check_manifest(bucket: Bucket, folder: str, prefixes: tuple[str, ...]) -> None:
    """Manifest, claim and objects of one stage and week agree."""
    manifest = orjson.loads(bucket.objects[f"lake/{folder}manifest.json"].content)
    claim = orjson.loads(bucket.objects[f"lake/{folder}claim.json"].content)
    assert manifest["generation"] == claim["generation"]
    assert manifest["fingerprint"] == claim["fingerprint"]
    lying = {key for key in zone_contents(bucket) if key.startswith(prefixes)}
    assert {output["key"] for output in manifest["outputs"]} == lying
    for output in manifest["outputs"]:
        stored = bucket.objects[f"lake/{output['key']}"]
        assert stored.etag == output["etag"]
        assert stored.metadata == {"generation": str(manifest["generation"]), "sha256": output["sha256"]}
        assert len(stored.content) == output["bytes"]


def zone_contents(bucket: Bucket) -> dict[str, bytes]:
    """Every object under a zone prefix, by its key in the lake."""
    inside = {key.removeprefix("lake/"): stored.content for key, stored in bucket.objects.items()}
    return {key: content for key, content in inside.items() if key.startswith(ZONES)}


def puts_into_lake(bucket: Bucket) -> int:
    """How many PUT requests went into the lake."""
    return sum(request.operation == "put" and request.key.startswith("lake/") for request in bucket.requests)
