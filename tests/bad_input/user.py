"""The program as a user meets it: a command line, an exit code, and what is said."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog

from services.cli import app
from tests.drops import WEEK, Chain

_NOT_DATA = re.compile(r"_control/(.*/)?(claim\.json|lock)|_control/tmp/[0-9a-f]{64}")
"""A run that fails may have claimed a generation, or tried to: a later run goes on from there, nobody reads it."""


class Seen(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """What was said of the failures: from the log, or as it stands where there was none yet."""
        lines = self.err.splitlines()
        logged = [json.loads(line) for line in lines if line.startswith("{")]
        reasons = [str(line["reason"]) for line in logged if line["event"] == "failed"]
        return " ".join(reasons) or self.err.strip()

    @property
    def result(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)

    def failed(self, code: int, *words: str) -> None:
        """The exit code, every word in the message, and nothing that only a programmer could read."""
        assert self.code == code, f"exit {self.code}: {self.err}"
        for word in words:
            assert word in self.sentence, f"{word!r} is not in {self.sentence!r}"
        _no_traceback(self)


class User:
    """Runs commands on the source and lake of a chain, in this process."""

    def __init__(self, chain: Chain, capture: pytest.CaptureFixture[str]) -> None:
        self.chain, self._capture = chain, capture

    def places(self) -> list[str]:
        return ["--source", str(self.chain.root / "source"), "--lake", str(self.chain.lake)]

    def run(self, *arguments: str) -> Seen:
        """`eventlog` with exactly these arguments."""
        self._capture.readouterr()
        code = 0
        try:
            app.main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            structlog.contextvars.clear_contextvars()
        seen = Seen(code, *self._capture.readouterr())
        _no_traceback(seen)
        return seen

    def ingest(self, *arguments: str, week: str = WEEK) -> Seen:
        return self.run("ingest", *self.places(), "--week", week, *arguments)

    def run_all(self, *arguments: str) -> Seen:
        return self.run("run", *self.places(), "--json", *arguments)


def in_a_process(*arguments: str, variables: Mapping[str, str] | None = None, **how: Any) -> Seen:
    """`eventlog` in a process of its own, perhaps another user's."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(variables or {})},
        check=False,
        **how,
    )
    seen = Seen(done.returncode, done.stdout, done.stderr)
    _no_traceback(seen)
    return seen


def listing(lake: Path) -> dict[str, str]:
    """Everything that lies in a lake, by key, with the hash of its bytes; what was left on scratch too."""
    files = {path.relative_to(lake).as_posix(): path for path in sorted(lake.rglob("*")) if path.is_file()}
    return {key: _sha256(path) for key, path in files.items() if not _NOT_DATA.fullmatch(key)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def untouched(lake: Path) -> Iterator[None]:
    """What is published before the block is published after it, to the byte, and nothing else lies there."""
    before = listing(lake)
    yield
    assert listing(lake) == before


def _no_traceback(seen: Seen) -> None:
    for text in (seen.out, seen.err):
        assert "Traceback" not in text, text
        assert 'File "' not in text, text
    assert seen.code != 1, seen.err
