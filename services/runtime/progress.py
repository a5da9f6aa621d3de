"""How far a step is: a bar on a terminal, a line now and then elsewhere, and Argo's progress file."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

log = structlog.get_logger()

_LINE_EVERY = 10.0
"""Seconds between lines in a log: often enough to see that a stage lives."""


class Progress:
    """Counts rows done; `advance` may be called from several threads."""

    def __init__(self, step: str, total: int) -> None:
        self._step, self._total = step, total
        self._done = 0
        self._lock = threading.Lock()
        self._next_line = time.monotonic() + _LINE_EVERY
        self._argo = os.environ.get("ARGO_PROGRESS_FILE")
        self._terminal = sys.stderr.isatty()

    def advance(self, rows: int) -> None:
        """Report that so many more rows are done."""
        with self._lock:
            self._done += rows
            now = time.monotonic()
            if self._terminal:
                self._draw()
            elif now >= self._next_line:
                self._next_line = now + _LINE_EVERY
                log.info("progress", step=self._step, rows=self._done, of=self._total)
                if self._argo:
                    Path(self._argo).write_text(f"{self._done}/{max(self._total, 1)}")

    def _draw(self) -> None:
        share = min(self._done / max(self._total, 1), 1.0)
        bar = "━" * int(share * 30)
        sys.stderr.write(f"\r{self._step:<22} {bar:<30} {share:4.0%} {self._done:>12,} rows\x1b[K")
        sys.stderr.flush()

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextmanager
def progress(step: str, total: int) -> Iterator[Progress]:
    """Show a step's progress in rows while the block runs."""
    shown = Progress(step, total)
    try:
        yield shown
    finally:
        shown.close()
