"""Every test here runs helm, argo or kubeconform; without them it fails, saying which is missing."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(autouse=True, scope="session")
def _tools() -> None:
    missing = [name for name in ("helm", "argo", "kubeconform") if not shutil.which(name)]
    if missing:
        pytest.fail(f"not on the PATH: {', '.join(missing)}; `make test-chart` says how to get them")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/chart/" in item.path.as_posix():
            item.add_marker(pytest.mark.chart)
