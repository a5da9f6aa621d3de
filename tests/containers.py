"""A real MinIO for tests, by testcontainers.

Where no container engine answers, the tests that need one are skipped and one line at the end of the run says so;
with `--require-integration` (or REQUIRE_INTEGRATION=1) they fail instead.
"""

from __future__ import annotations

import gc
import os
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import boto3
import pytest
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

IMAGE = "minio/minio:RELEASE.2026-02-12T20-18-48Z"
_KEY, _SECRET = "eventlog-tests", "eventlog-tests-secret"
_START_SECONDS = 60.0
_SKIPPED = "no MinIO for integration tests"


class Minio(NamedTuple):
    """A running server."""

    endpoint: str

    def environment(self) -> dict[str, str]:
        """The standard variables by which a program finds it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
        }

    def client(self) -> S3Client:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=_KEY,
            aws_secret_access_key=_SECRET,
            config=Config(s3={"addressing_style": "path"}),
        )


class Bucket:
    """A bucket of the tests' own."""

    def __init__(self, minio: Minio, name: str) -> None:
        self.minio, self.name = minio, name

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    @cached_property
    def client(self) -> S3Client:
        return self.minio.client()

    def names(self, prefix: str = "") -> list[str]:
        return [key for key, _ in self.states(prefix)]

    def states(self, prefix: str = "") -> list[tuple[str, str]]:
        """Key, and what changes with every PUT, of each object."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        found = [entry for page in pages for entry in page.get("Contents", [])]
        return [(entry["Key"], f"{entry['ETag']} {entry['LastModified'].isoformat()}") for entry in found]

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def upload(self, folder: Path, prefix: str) -> None:
        """Every file below a folder, under the same name."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            self.client.put_object(Bucket=self.name, Key=key, Body=path.read_bytes())

    def empty(self) -> None:
        for key in self.names():
            self.client.delete_object(Bucket=self.name, Key=key)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-integration", action="store_true", help="fail instead of skipping where no container engine answers"
    )


@pytest.fixture(scope="session")
def minio(request: pytest.FixtureRequest) -> Iterator[Minio]:
    """One server for the whole run."""
    required = request.config.getoption("--require-integration") or bool(os.environ.get("REQUIRE_INTEGRATION"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what other people's modules warn of is not ours to fail on
        missing = _missing_engine()
        gc.collect()  # a failed attempt leaves sockets behind that would warn later, in somebody else's test
        if missing:
            (pytest.fail if required else pytest.skip)(f"{_SKIPPED}: {missing}")
        with _running() as server:
            yield server


@pytest.fixture
def bucket(minio: Minio, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket; this process and those that it starts find the server by the standard variables."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in minio.environment().items():
        monkeypatch.setenv(name, value)
    # Clients keep the credentials of the session that made them, and the default session outlives a test.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    found = Bucket(minio, "eventlog")
    if found.name not in [entry["Name"] for entry in found.client.list_buckets()["Buckets"]]:
        found.client.create_bucket(Bucket=found.name)
    found.empty()
    yield found
    found.client.close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """The last word, below pytest's own list of what was skipped."""
    yield
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if _SKIPPED in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} integration tests were skipped: no container engine answers. Start Docker, then run "
            "`make test-integration`.",
            yellow=True,
        )


def _missing_engine() -> str | None:
    """Why there can be no server here, or None."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=10)
    except DockerException as silent:
        return f"no container engine answers ({silent})"
    try:
        client.ping()
        _fetch(client)
    except (DockerException, OSError) as silent:
        return f"the container engine has no {IMAGE} ({silent})"
    finally:
        client.close()
    return None


def _fetch(client: object) -> None:
    from docker.errors import ImageNotFound

    try:
        client.images.get(IMAGE)  # type: ignore[attr-defined]
    except ImageNotFound:
        client.images.pull(IMAGE)  # type: ignore[attr-defined]


@contextmanager
def _running() -> Iterator[Minio]:
    # Its watchdog is one more image to fetch, and the fixture stops what it started.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.core.container import DockerContainer

    variables: Mapping[str, str] = {"MINIO_ROOT_USER": _KEY, "MINIO_ROOT_PASSWORD": _SECRET}
    container = DockerContainer(IMAGE).with_exposed_ports(9000).with_command("server /data")
    for name, value in variables.items():
        container = container.with_env(name, value)
    with container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(9000)
        endpoint = f"http://{host}:{port}"
        _wait_until_ready(endpoint)
        yield Minio(endpoint)


def _wait_until_ready(endpoint: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{endpoint}/minio/health/ready", timeout=2):
                return
        except (OSError, urllib.error.URLError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
