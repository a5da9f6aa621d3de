"""How long a container's door takes from its start to its first log line."""

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench.contenders import eventlog

_TIMES = 7


def first_log_line_seconds(product: Path) -> float:
    """Median over several starts of `python -m services.clean`, the files already read once."""
    start = eventlog(product, "auto", 1)
    with tempfile.TemporaryDirectory() as lake:
        command = [part for part in start.command("clean", lake, Path(lake), "2024-05-10") if part != "-q"]
        seconds = [_first_line(command, dict(start.environment)) for _ in range(_TIMES + 1)]
    return statistics.median(seconds[1:])


def _first_line(command: list[str], environment: dict[str, str]) -> float:
    began = time.monotonic()
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr
        line = process.stderr.readline()
        seconds = time.monotonic() - began
        process.stderr.read()
    assert b"started" in line, line
    return seconds
