"""A pytest plugin for CI, `-p tests.no_skips`: a skipped test fails the session, as nobody reads what did not run."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped:
        reporter.write_line("")
        reporter.write_line(f"{len(skipped)} skipped, and none may be here (tests.no_skips)", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
