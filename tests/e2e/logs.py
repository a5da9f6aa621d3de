"""What stands in the logs of a release's pods: JSON lines, and nothing that is not for all eyes."""

from __future__ import annotations

import json
import re

from tests.e2e.drops import CANARY
from tests.e2e.release import Release


def assert_fit_for_all_eyes(release: Release) -> None:
    """Every line of every pod is JSON, Argo's own aside; none holds a secret, a service tag or an event's text."""
    words = (CANARY, *release.store.secrets)
    for run in release.workflows():
        for pod in run.pods():
            for line in run.log(pod).splitlines():
                shown = f"{pod}: {line[:500]}"
                assert not any(word in line for word in words), f"what no log may show, in {pod}"
                assert _is_of_argo(line) or _is_json(line), shown
        told = json.dumps(run.status())
        assert not any(word in told for word in words), f"what nobody may see, in the status of {run.name}"


def _is_of_argo(line: str) -> bool:
    """Its executor is the parent of what runs in the container, and has a last word."""
    return "argo=true" in line or re.fullmatch(r"Error: exit status \d+", line) is not None


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except json.JSONDecodeError:
        return False
