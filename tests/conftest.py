"""What every test starts from: no setting of the machine's own, a fixed pace for generated cases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.drops import Chain

pytest_plugins = ["tests.containers", "tests.gateway"]

# Examples run whole stages: their time says nothing, and a database of failures belongs to no build.
settings.register_profile("eventlog", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("eventlog")


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("EVENTLOG_"):
            monkeypatch.delenv(name)


@pytest.fixture
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What survives a power cut is tests/faults' concern; elsewhere waiting for it is half of the time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def chain(tmp_path: Path, no_waiting_for_the_disk: None) -> Chain:
    """An empty source and lake."""
    return Chain(tmp_path)
