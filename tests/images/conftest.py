"""Two small weeks in a bucket, and what a local run makes of them."""

from __future__ import annotations

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
def drops(golden: Golden, bucket: Bucket) -> Bucket:
    """The bucket with the same drops."""
    bucket.upload(golden.chain.root / "source", "drops")
    return bucket
