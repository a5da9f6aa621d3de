"""One command from start to end: wall time, CPU time and peak memory of all its processes together."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, NamedTuple

from bench.meters import Meter, open_meter

_EVERY = 0.02
"""Seconds between two looks at the memory."""
_ENTER = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1" || exit 126; shift; n=$((n - 1)); done; exec "$@"'
"""Goes into its groups before the command starts, so that nothing of it is missed."""


class Measured(NamedTuple):
    """What a command took."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    exit_code: int
    out_of_memory: bool
    method: str
    last_words: str
    """The end of its stderr, where it failed."""


def measure(command: Sequence[str], environment: Mapping[str, str], limit: int) -> Measured:
    """Run a command that may hold `limit` bytes; whatever it leaves running is ended."""
    os.sync()  # what the run before left to be written is not this one's burden
    meter = open_meter(limit)
    try:
        with tempfile.TemporaryFile() as errors:
            return _measure(command, environment, meter, errors)
    finally:
        meter.close()


def _measure(
    command: Sequence[str],
    environment: Mapping[str, str],
    meter: Meter,
    errors: IO[bytes],
) -> Measured:
    doors = [str(door) for door in meter.doors]
    entered = ["/bin/sh", "-c", _ENTER, "sh", str(len(doors)), *doors, *command]
    began = time.monotonic()
    process = subprocess.Popen(
        entered, env=dict(environment), stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
    )
    watch = _Watch(meter, process.pid)
    try:
        code = process.wait()
        wall = time.monotonic() - began
    finally:
        peak = watch.stop()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    errors.seek(0)
    words = errors.read()[-2000:].decode(errors="replace") if code else ""
    return Measured(wall, meter.cpu_seconds(process.pid), peak, code, meter.out_of_memory(), meter.name, words)


class _Watch:
    """Looks at a tree's memory until told to stop."""

    def __init__(self, meter: Meter, pid: int) -> None:
        self._meter, self._pid = meter, pid
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """The largest sum seen, in bytes."""
        self._ended.set()
        self._thread.join()
        return self._peak

    def _look(self) -> None:
        while not self._ended.wait(_EVERY):
            self._peak = max(self._peak, self._meter.memory(self._pid))
