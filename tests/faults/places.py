"""A source and a lake that real processes work on: folders, or a bucket of a real server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from services.contracts.layout import STAGES
from tests.containers import Bucket, Minio
from tests.faults.checker import ZONES
from tests.faults.drops import WEEK, Version, drop


class Place(Protocol):
    """Where drops arrive and the lake lies."""

    source: str
    lake: str

    def deliver(self, version: Version) -> None:
        """Make the week's drop what this version says."""

    def contents(self) -> dict[str, bytes]:
        """Everything in the lake, by key."""

    def states(self) -> dict[str, str]:
        """What changes with every write, by key; control files and zones."""


class Folders:
    """Both below one folder."""

    def __init__(self, root: Path) -> None:
        self._source, self._lake = root / "source", root / "lake"
        self.source, self.lake = str(self._source), str(self._lake)
        self._lake.mkdir(parents=True, exist_ok=True)

    def deliver(self, version: Version) -> None:
        folder = self._source / WEEK
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if path.name not in drop(version):
                path.unlink()
        for name, content in drop(version).items():
            new = folder / f"_{name}"  # not part of a drop until it is renamed
            new.write_bytes(content)
            new.replace(folder / name)

    def contents(self) -> dict[str, bytes]:
        return {path.relative_to(self._lake).as_posix(): path.read_bytes() for path in self._files()}

    def states(self) -> dict[str, str]:
        files = [path for path in self._files() if path.suffix in (".parquet", ".json")]
        return {path.relative_to(self._lake).as_posix(): str(path.stat().st_mtime_ns) for path in files}

    def _files(self) -> list[Path]:
        # Temporary files come and go while one looks; nothing else does.
        folders = [*ZONES, *(f"_control/{stage}" for stage in STAGES)]
        return [path for folder in folders for path in (self._lake / folder).rglob("*") if path.is_file()]


class BucketOnServer:
    """Both below one bucket."""

    source, lake = "s3://kills/source", "s3://kills/lake"

    def __init__(self, minio: Minio) -> None:
        self._bucket = Bucket(minio, "kills")
        self._bucket.client.create_bucket(Bucket="kills")
        self._read: dict[tuple[str, str], bytes] = {}

    def deliver(self, version: Version) -> None:
        for key in self._bucket.names(f"source/{WEEK}/"):
            if key.rpartition("/")[2] not in drop(version):
                self._bucket.client.delete_object(Bucket="kills", Key=key)
        for name, content in drop(version).items():
            self._bucket.client.put_object(Bucket="kills", Key=f"source/{WEEK}/{name}", Body=content)

    def contents(self) -> dict[str, bytes]:
        # Whoever looks all the time looks more often where only what changed is read.
        before = self._read
        found = {at: before.get(at) or self._bucket.read(at[0]) for at in self._bucket.states("lake/")}
        self._read = found
        return {key.removeprefix("lake/"): content for (key, _), content in found.items()}

    def states(self) -> dict[str, str]:
        return dict(self._bucket.states("lake/"))

    def close(self) -> None:
        self._bucket.client.close()


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a stage's process: nothing of the machine's own but its path."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, **extra}
