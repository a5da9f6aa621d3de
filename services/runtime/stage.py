"""The shell around a stage: it binds the log, measures, and turns an error into a sentence and an exit code."""

import datetime as dt
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import structlog

from services.contracts.errors import InterruptedRun, PipelineError, TemporaryError
from services.contracts.manifest import Run
from services.runtime.limits import cpu_seconds, peak_memory
from services.runtime.settings import Settings

log = structlog.get_logger()

PROGRAM = "eventlog"
_LAST_WORDS = 4000
"""Kubernetes keeps the last 4096 bytes of a termination message."""


class StageRun:
    """Clock and name of one stage's run over one week."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._began = time.monotonic()
        self._cpu = cpu_seconds()
        self._started = _now()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step's wall time; steps of the same name add up."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began

    def finish(self, byte_settings: dict[str, Any]) -> Run:
        """What the manifest says of this run."""
        total = time.monotonic() - self._began
        return Run(
            run_id=self._settings.run_id,
            program=program_version(),
            attempt=self._settings.attempt,
            started=self._started,
            finished=_now(),
            seconds={name: round(s, 3) for name, s in {**self.seconds, "total": total}.items()},
            cpu_seconds=round(cpu_seconds() - self._cpu, 3),
            peak_memory_bytes=peak_memory(),
            settings=byte_settings,
        )


class Failure(NamedTuple):
    """How a run ended that did not end well."""

    exit_code: int
    sentence: str


def explain(error: BaseException) -> Failure:
    """The exit code and the sentence for what was raised."""
    match error:
        case PipelineError() | InterruptedRun():
            return Failure(error.exit_code, str(error))
        case KeyboardInterrupt():
            interrupted = InterruptedRun(signal.SIGINT)
            return Failure(interrupted.exit_code, str(interrupted))
        case MemoryError():
            return Failure(TemporaryError.exit_code, "out of memory; give the stage more (EVENTLOG_MEMORY_LIMIT)")
        case _:
            return Failure(1, f"unexpected {type(error).__name__}: {error}; run again with -v for the traceback")


def guarded(work: Callable[[], int], *, verbose: bool, last_words: Path | None = None) -> int:
    """Run the work and return its exit code; every failure is said once, in a sentence."""
    with signals_interrupt():
        try:
            return work()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (everything ends here)
            return report_failure(error, verbose=verbose, last_words=last_words)


def report_failure(error: BaseException, *, verbose: bool, last_words: Path | None = None) -> int:
    """Say what went wrong in the log and to Kubernetes; the exit code."""
    failure = explain(error)
    log.error("failed", reason=failure.sentence, exit_code=failure.exit_code)
    if verbose:
        traceback.print_exception(error, file=sys.stderr)
    if last_words:
        say_last_words(last_words, failure.sentence)
    return failure.exit_code


def say_last_words(file: Path, sentence: str) -> None:
    """Tell Kubernetes why a container ends, where there is one to be told."""
    if not file.exists():
        return
    try:
        file.write_text(sentence[:_LAST_WORDS] + "\n")
    except OSError as refused:
        log.warning("the termination message could not be written", reason=str(refused))


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the run as an error does: files closed, scratch removed."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise InterruptedRun(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@lru_cache(maxsize=1)
def program_version() -> str:
    """The version of this program."""
    return version(PROGRAM)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
