"""The same faults on a real socket under boto3: what the SDK makes of them must be what the store expects."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import botocore.retries.standard
import pytest

from services.lake import s3 as product
from services.lake.s3 import boto_client
from tests.faults.cases import Often, make_scene, plan, play
from tests.faults.conftest import Matrix
from tests.faults.http_server import serving
from tests.faults.objects import NETWORK_FAULTS, NetworkFault
from tests.faults.s3 import Bucket

full = pytest.mark.faults_full


@pytest.fixture
def served(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket that is reached by boto3, which waits for nothing."""
    monkeypatch.setattr(product, "_SECONDS", {4: 0.5, 1: 0.5})
    monkeypatch.setattr(botocore.retries.standard.ExponentialBackoff, "delay_amount", lambda *_: 0.0)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with serving(bucket) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        clients: Any = lru_cache(boto_client)
        monkeypatch.setattr(bucket, "client", clients)
        yield bucket
        for tries in (4, 1):
            clients(tries).close()


@pytest.mark.parametrize(
    ("fault", "often"),
    [
        pytest.param(
            fault, often, marks=() if (fault, often) in (("lost answer", "once"), ("short body", "once")) else full
        )
        for fault in NETWORK_FAULTS
        for often in ("once", "always")
        if (fault, often) != ("timeout", "always")  # seconds that pass for nothing
    ],
)
def test_a_rerun_finishes_what_a_failing_socket_left(
    served: Bucket, scratch: Path, matrix: Matrix, fault: NetworkFault, often: Often
) -> None:
    scene = make_scene(served, scratch, "ingest", "first", "changed")
    planned = plan(scene, fault, often)
    for number, faults in enumerate(planned):
        ending, wrong = play(served, scratch, scene, faults)
        assert not wrong, f"case {number} of {fault} {often}: {ending} {wrong}"
        if often == "once" and fault != "flipped byte":
            assert ending.exit_code == 0, f"case {number} of {fault}, {scene.requests[number]}: {ending}"
    matrix.count(f"{fault}, {often}", "each request of ingest, by boto3", len(planned))
