"""What the chain makes of two weeks on a laptop: what every store has to show as well."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.containers import Bucket
from tests.drops import NEXT_WEEK, WEEK, Chain
from tests.integration.lakes import Golden
from tests.integration.weeks import write_weeks


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Golden:
    chain = Chain(tmp_path_factory.mktemp("golden"))
    write_weeks(chain.root / "source")
    chain.run(WEEK, NEXT_WEEK)
    return Golden(chain, chain.published())


@pytest.fixture
def drops(golden: Golden, bucket: Bucket) -> str:
    """The same drops in the bucket."""
    bucket.upload(golden.chain.root / "source", "drops")
    return f"{bucket.url}/drops"


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts `eventlog` in a process of its own."""

    def started(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "EVENTLOG_SCRATCH": str(tmp_path / "scratch")},
        )

    return started
