"""Counts the planted bugs that were caught, and says so in the last line of the run."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    stats = terminalreporter.stats
    caught, missed = (
        [report for report in stats.get(end, []) if "planted_bug" in report.keywords] for end in ("passed", "failed")
    )
    if caught or missed:
        terminalreporter.write_line(f"planted bugs caught: {len(caught)} of {len(caught) + len(missed)}")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "planted_bug: a bug planted in the heart, which the reference must catch")
