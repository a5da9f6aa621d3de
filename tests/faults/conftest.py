"""A bucket in this process, and time that costs nothing."""

from __future__ import annotations

import logging
from collections import Counter
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
    """What a test tried, kept in its report: that way it is seen whichever process ran the test."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def count(self, fault: str, where: str, cases: int = 1) -> None:
        """Add cases of a fault."""
        self._properties.append((_FAULT, [fault, where, cases]))

    def plants(self, bug: str) -> None:
        """The test passes only if this bug is found."""
        self._properties.append((_BUG, bug))


_FAULT, _BUG = "fault", "planted bug"


@pytest.fixture
def matrix(request: pytest.FixtureRequest) -> Matrix:
    """Where a test says what it tried."""
    return Matrix(request.node.user_properties)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, object, object]:
    """The matrix with its counts, and last what became of the bugs that were planted."""
    result = yield
    ended = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    said = [(name, value, report.passed) for report in ended for name, value in report.user_properties]
    counts: Counter[tuple[str, str]] = Counter()
    for name, value, _ in said:
        if name == _FAULT:
            counts[value[0], value[1]] += value[2]
    if counts:
        terminalreporter.section("faults")
        for (fault, where), cases in sorted(counts.items()):
            terminalreporter.write_line(f"{fault:<34} {where:<34} {cases:>7,}")
        terminalreporter.write_line(f"{'all':<34} {'':<34} {counts.total():>7,}")
    caught = [passed for name, _, passed in said if name == _BUG]
    if caught:
        terminalreporter.write_line(f"planted bugs caught: {sum(caught)} of {len(caught)}")
    return result


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """Thousands of runs have nothing to say."""
    structlog.configure(processors=[], wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()
