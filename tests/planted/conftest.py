"""Counts the planted bugs that were caught, and says so in the last line of the run."""

from __future__ import annotations

from collections.abc import Generator

import pytest

_BUGS = pytest.StashKey[dict[str, bool]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.get_closest_marker("planted") and report.when == "call":
        item.config.stash.setdefault(_BUGS, {})[item.nodeid] = report.passed
    return report


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    bugs = config.stash.get(_BUGS, {})
    if bugs:
        terminalreporter.write_line(f"planted bugs caught: {sum(bugs.values())} of {len(bugs)}")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "planted: a bug planted in the heart, which the reference must catch")
