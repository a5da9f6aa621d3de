"""A bucket in this process, and time that costs nothing."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import structlog

from services.lake import publish, write
from tests.faults.clock import Clock
from tests.faults.s3 import Bucket


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time of the protocol and of the bucket."""
    clock = Clock()
    monkeypatch.setattr(write, "time", clock)
    monkeypatch.setattr(publish, "time", clock)
    # One object at a time, so that a request has the same number in every run.
    monkeypatch.setattr(publish, "_UPLOADS", 1)
    return clock


@pytest.fixture
def bucket(clock: Clock) -> Bucket:
    """An empty bucket."""
    return Bucket(clock)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where runs put their temporary files."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


class Matrix:
    """How many cases of each fault were tried; printed at the end of the session."""

    def __init__(self) -> None:
        self.cases: dict[tuple[str, str], int] = {}
        self.planted: dict[str, bool] = {}

    def count(self, fault: str, where: str, cases: int = 1) -> None:
        """Add cases of a fault."""
        self.cases[fault, where] = self.cases.get((fault, where), 0) + cases


_MATRIX = pytest.StashKey[Matrix]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin counting."""
    config.stash[_MATRIX] = Matrix()


@pytest.fixture
def matrix(request: pytest.FixtureRequest) -> Matrix:
    """Where a test says what it tried."""
    return request.config.stash[_MATRIX]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, object, object]:
    """The matrix with its counts, and last what became of the bugs that were planted."""
    result = yield
    matrix = config.stash[_MATRIX]
    if matrix.cases:
        terminalreporter.section("faults")
        for (fault, where), cases in sorted(matrix.cases.items()):
            terminalreporter.write_line(f"{fault:<34} {where:<34} {cases:>7,}")
        terminalreporter.write_line(f"{'all':<34} {'':<34} {sum(matrix.cases.values()):>7,}")
    if matrix.planted:
        caught = sum(matrix.planted.values())
        terminalreporter.write_line(f"planted bugs caught: {caught} of {len(matrix.planted)}")
    return result


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """Thousands of runs have nothing to say."""
    structlog.configure(processors=[], wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()
