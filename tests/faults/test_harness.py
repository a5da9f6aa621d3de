"""The harness itself: bugs are planted in the commit code, and the suite must find each of them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from services.lake import publish
from tests.faults.battery import BATTERY
from tests.faults.conftest import Matrix
from tests.faults.planted import BUGS, plant
from tests.faults.s3 import Bucket


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(
    bucket: Bucket, scratch: Path, matrix: Matrix, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    matrix.plants(bug)
    monkeypatch.setattr(publish, "_MAX_STARTS", 2)
    plant(monkeypatch, BUGS[bug])
    found = next((wrong for check in BATTERY for wrong in islice(check(bucket, scratch), 1)), None)
    assert found, f"nothing finds: {bug}"


@pytest.mark.faults_full
def test_without_a_planted_bug_nothing_is_found(bucket: Bucket, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "_MAX_STARTS", 3)
    assert [wrong for check in BATTERY[:-1] for wrong in check(bucket, scratch)] == []
