"""Containers of the stages, started as the workflow starts them: an unknown user, nothing writable but the scratch."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

from tests.containers import Bucket

STAGES = ("ingest", "clean", "feature")
_UNKNOWN_USER = "54321:12345"


class Ended(NamedTuple):
    """How a container ended."""

    code: int
    out: str
    err: str


def image(stage: str) -> str:
    """The name that `make images` gives."""
    return (
        f"{os.environ.get('IMAGE_REGISTRY', '')}eventlog-{stage}:{os.environ.get('IMAGE_TAG') or version('eventlog')}"
    )


def start(stage: str, *arguments: str, bucket: Bucket, options: Sequence[str] = (), **settings: str) -> list[str]:
    """The command line of a container for one step; `arguments` instead of the entry point's, as Argo has `command`."""
    given = {
        "EVENTLOG_SOURCE": f"{bucket.url}/drops",
        "EVENTLOG_LAKE": f"{bucket.url}/lake",
        "EVENTLOG_MEMORY_LIMIT": str(512 * 1024**2),
        **bucket.minio.environment(),
        **settings,
    }
    return [
        *("docker", "run", "--network", "host", "--user", _UNKNOWN_USER, "--read-only"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "1g"),
        *(f"--env={name}={value}" for name, value in given.items()),
        *(options if any("/scratch" in option for option in options) else ("--tmpfs=/scratch:mode=1777", *options)),
        *(("--entrypoint", arguments[0]) if arguments else ()),
        image(stage),
        *arguments[1:],
    ]


def run(stage: str, *arguments: str, bucket: Bucket, options: Sequence[str] = (), **settings: str) -> Ended:
    """Run one step to its end."""
    line = start(stage, *arguments, bucket=bucket, options=("--rm", *options), **settings)
    return _ended(line)


def run_plain(stage: str, *arguments: str, options: Sequence[str] = ()) -> Ended:
    """`docker run` as a user would type it."""
    return _ended(["docker", "run", "--rm", *options, image(stage), *arguments])


def _ended(line: list[str]) -> Ended:
    done = subprocess.run(line, check=False, capture_output=True, text=True, timeout=300)
    return Ended(done.returncode, done.stdout, done.stderr)
