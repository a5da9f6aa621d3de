"""A lake in good order, and a user who is about to feed it something else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bad_input.user import User
from tests.drops import Chain, ev, row, table


@pytest.fixture(scope="session")
def _good(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    chain = Chain(tmp_path_factory.mktemp("good"))
    rows = [
        row(f"T{n % 3}", pn=pn, cat="Error", ev=ev(TimeStamp=f"2024-05-08T10:00:{n:02}Z"))
        for n, pn in enumerate(["I13", "A7", None] * 3)
    ]
    chain.drop({"good.parquet": table(*rows)})
    chain.run()
    return chain


@pytest.fixture
def published(_good: Chain, tmp_path: Path) -> Chain:
    """A drop with one good file, and the lake that all stages made of it."""
    shutil.copytree(_good.root, tmp_path / "place")  # with times of change, which are part of an etag
    return Chain(tmp_path / "place")


@pytest.fixture
def user(published: Chain, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> User:
    """Somebody at a terminal that is none, so that the log is JSON."""
    monkeypatch.setenv("EVENTLOG_TERMINATION_LOG", str(tmp_path / "termination-log"))
    return User(published, capfd)


@pytest.fixture
def week_folder(published: Chain) -> Path:
    """Where the drop lies."""
    return published.root / "source" / "2024-05-10"
