"""The runbook has an entry for whatever can call a person; the CI files call what is there and pin what they take."""

import re
from pathlib import Path

import pytest
import yaml

from monitoring.alerts import ALERTS
from services.contracts.errors import SEVERITY

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
CI_FILES = [ROOT / ".github" / "workflows" / "ci.yml", ROOT / ".gitlab-ci.yml"]


def entries(level: int = 3) -> dict[str, str]:
    """Text by title."""
    parts = re.split(rf"^{'#' * level} ", OPERATIONS, flags=re.MULTILINE)[1:]
    return {
        title.strip(): re.split(r"^#", text, flags=re.MULTILINE)[0]
        for title, _, text in (p.partition("\n") for p in parts)
    }


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_has_an_entry_under_the_anchor_that_it_links_to(alert) -> None:
    assert alert.runbook == f"docs/operations.md#{alert.name.lower()}"
    assert len(entries()[alert.name].split()) > 15, "an entry says what to look at and what to do"


@pytest.mark.parametrize("code", SEVERITY)
def test_an_exit_code_has_an_entry(code: int) -> None:
    assert len(entries()[f"Exit {code}"].split()) > 10


def test_no_entry_is_for_what_is_gone() -> None:
    known = {alert.name for alert in ALERTS} | {f"Exit {code}" for code in SEVERITY}
    assert set(entries()) == known


def steps() -> list[str]:
    """Every command of the CI files."""
    github = yaml.safe_load(CI_FILES[0].read_text())
    found = [step["run"] for job in github["jobs"].values() for step in job["steps"] if "run" in step]
    gitlab = yaml.safe_load(CI_FILES[1].read_text())
    return found + [line for job in gitlab.values() if isinstance(job, dict) for line in job.get("script", [])]


def test_ci_only_calls_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    others = [step for step in steps() if not step.startswith("make ")]
    assert all("AWS_WEB_IDENTITY_TOKEN_FILE" in step for step in others), "its token is all that GitLab leaves to us"
    called = {word for step in steps() if step.startswith("make ") for word in step.split()[1:] if "=" not in word}
    assert called <= targets
    assert {
        "check",
        "check-delivery",
        "test",
        "test-images",
        "sbom",
        "push-images",
        "sign",
        "deploy",
        "smoke",
    } <= called


def test_actions_are_pinned_by_commit_and_listed() -> None:
    used = re.findall(r"uses: (\S+)@(\S+)(?: # (\S+))?", CI_FILES[0].read_text())
    assert used
    for action, commit, release in used:
        assert re.fullmatch(r"[0-9a-f]{40}", commit), action
        assert f"| {action} | {release} | `{commit}` |" in OPERATIONS
