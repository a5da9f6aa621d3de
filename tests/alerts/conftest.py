"""Every test here runs Prometheus, its Pushgateway or its Alertmanager; without them it fails, saying which is missing."""

from __future__ import annotations

import shutil

import pytest

TOOLS = ("promtool", "prometheus", "prometheus-pushgateway", "prometheus-alertmanager")


@pytest.fixture(autouse=True, scope="session")
def _tools() -> None:
    missing = [name for name in TOOLS if not shutil.which(name)]
    if missing:
        pytest.fail(f"not on the PATH: {', '.join(missing)} (Debian: apt install {' '.join(TOOLS[1:])})")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/tests/alerts/" in item.path.as_posix():
            item.add_marker(pytest.mark.alerts)
