"""The pipeline as a workflow runs it, step by step as processes, under a job of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.alerts.drops import Spoil, spoil

STAGES = ("ingest", "clean", "feature")


class Pipeline:
    """A source and a lake, copied from ordinary ones or empty."""

    def __init__(self, folder: Path, origin: Path, job: str, gateway: str, *, empty: bool = False) -> None:
        self.job, self._folder = job, folder
        self.source, self.lake = folder / "source", folder / "lake"
        if empty:
            self.source.mkdir(parents=True)
        else:
            for name in ("source", "lake"):
                shutil.copytree(origin / name, folder / name)  # times stay: they are the etags
        self.drops = origin / "drops"
        self.settings = {
            "EVENTLOG_SOURCE": str(self.source),
            "EVENTLOG_LAKE": str(self.lake),
            "EVENTLOG_PUSHGATEWAY": gateway,
            "EVENTLOG_PUSH_JOB": job,
            "EVENTLOG_OUTPUTS": str(folder / "outputs"),
            "EVENTLOG_WORKERS": "1",
        }

    def receive(self, week: str, change: Spoil | None = None) -> Path:
        """The week's drop arrives, changed or not; its folder."""
        shutil.copytree(self.drops / week, self.source / week, dirs_exist_ok=True)
        if change:
            spoil(self.source / week, change)
        return self.source / week

    def run(self, week: str, *, verdict: bool = True, **settings: str) -> None:
        """A good workflow: everything ends well."""
        for stage in ("plan", *STAGES):
            assert self.step(stage, week, **settings) == 0, (self.job, stage, self.log.read_text()[-3000:])
        if verdict:
            self.verdict(week, "Succeeded")

    def step(self, stage: str, week: str, **settings: str) -> int:
        return self.start(stage, week, **settings).wait(300)

    def verdict(self, week: str, status: str, *failures: dict[str, str]) -> None:
        told = {"EVENTLOG_WORKFLOW_STATUS": status, "EVENTLOG_WORKFLOW_FAILURES": json.dumps(list(failures))}
        assert self.step("verdict", week, **told, EVENTLOG_WORKFLOW_DURATION="60.5") == 0, self.log.read_text()[-3000:]

    def start(self, step: str, week: str, **settings: str) -> subprocess.Popen[bytes]:
        words = [step] if step in STAGES else ["cli", "metrics", "push"] if step == "push" else ["control", step]
        named = {"EVENTLOG_WEEK": week, "EVENTLOG_RUN_ID": f"{self.job}-{week}"}
        environment = {**os.environ, **self.settings, **named, **settings}
        with self.log.open("ab") as log:
            module = [sys.executable, "-m", f"services.{words[0]}", *words[1:]]
            return subprocess.Popen(module, env=environment, stdout=log, stderr=log)

    @property
    def log(self) -> Path:
        return self._folder / "log"

    def killed(self, stage: str, week: str) -> None:
        """The stage is killed once it has said that it began, as a container that is out of memory is."""
        process = self._begun(stage, week)
        process.kill()
        assert process.wait(30) == -signal.SIGKILL

    def stalled(self, stage: str, week: str, seconds: float, **settings: str) -> None:
        """The stage stands still in the middle, then ends well."""
        process = self._begun(stage, week, **settings)
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)
        assert process.wait(120) == 0, self.log.read_text()[-3000:]

    def _begun(self, stage: str, week: str, **settings: str) -> subprocess.Popen[bytes]:
        """The stage, past its first words and its push."""
        before = self.log.stat().st_size if self.log.exists() else 0
        process = self.start(stage, week, **settings)
        end = time.monotonic() + 60
        while b'"claimed"' not in self.log.read_bytes()[before:]:
            assert process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < end, "the stage did not begin"
            time.sleep(0.01)
        return process
