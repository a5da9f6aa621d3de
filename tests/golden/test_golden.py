"""What a contract's version stands for: the same bytes from the same drop, for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.contracts import CONTRACT_VERSION
from services.runtime.native import eventlog_kernel
from tests.golden.recorded import golden_path, outputs

ADVICE = (
    "the bytes of an output changed. If that is meant, raise CONTRACT_VERSION in services/contracts/__init__.py, mark the "
    "change in the CHANGELOG and record the new bytes: python -m tests.golden.recorded. If a new pyarrow or DuckDB did it, "
    "the same holds: what lies in lakes was made by the old one"
)
RUNS: list[dict[str, Any]] = [
    {"workers": 1, "kernel": "python"},
    {"workers": 2, "kernel": "python"},
    *([] if eventlog_kernel is None else [{"workers": 1, "kernel": "native"}, {"workers": 2, "kernel": "native"}]),
]


@pytest.mark.parametrize("chosen", RUNS, ids=lambda chosen: f"{chosen['kernel']}-{chosen['workers']}")
@pytest.mark.usefixtures("no_waiting_for_the_disk")
def test_the_fixed_drop_becomes_the_recorded_bytes(chosen: dict[str, Any], tmp_path: Path) -> None:
    path = golden_path()
    assert path.exists(), (
        f"contract {CONTRACT_VERSION} has no recorded bytes: python -m tests.golden.recorded, and the CHANGELOG"
    )
    recorded, made = json.loads(path.read_text()), outputs(tmp_path, **chosen)
    changed = sorted(key for key in recorded.keys() | made.keys() if recorded.get(key) != made.get(key))
    assert not changed, f"{', '.join(changed)}: {ADVICE}"


def test_earlier_contracts_stay_recorded() -> None:
    assert all(golden_path(version).exists() for version in range(1, CONTRACT_VERSION + 1))
