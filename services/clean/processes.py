"""The Python kernel in processes of its own, because a loop in Python holds the interpreter lock.

Rows go there and come back as Arrow files on scratch, which are mapped into memory: through pipes, as they would
go by themselves, they took a fifth of all of clean's time.
"""

import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import count
from pathlib import Path

import pyarrow as pa

from services.clean.events import Events, Rules, read_events_python
from services.contracts.errors import TemporaryError


class Processes:
    """Reads events in a few processes; `read` may be called from several threads."""

    def __init__(self, workers: int, scratch: Path) -> None:
        # Forking a process with threads is not safe. What JSON holds has no cycles: looking for them took a tenth of
        # the time.
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=gc.disable)
        self._scratch, self._numbers = scratch, count()

    def read(self, rows: pa.Table, rules: Rules) -> Events:
        """The events of rows with columns ev, ts and eventdate."""
        there = self._scratch / f"rows-{next(self._numbers)}.arrow"
        back = there.with_suffix(".events")
        _write(there, rows)
        try:
            unusable = self._pool.submit(_read_file, there, back, rules).result()
        except BrokenProcessPool as killed:
            raise TemporaryError(
                "a process that reads events was killed, mostly for want of memory; run it again, with more memory or "
                "with fewer --workers"
            ) from killed
        events = Events(_mapped(back), unusable)
        # What is mapped stays until its last reader lets go of it.
        there.unlink()
        back.unlink()
        return events

    def close(self, *, wait: bool) -> None:
        """End the processes; without waiting for what they are at, where nobody needs it."""
        self._pool.shutdown(wait=wait, cancel_futures=True)


def _read_file(there: Path, back: Path, rules: Rules) -> dict[tuple[str, int | None], int]:
    """In another process: the events of a file's rows, written to a file; the candidates passed over."""
    columns, unusable = read_events_python(_mapped(there), rules)
    _write(back, columns)
    return unusable


def _write(path: Path, rows: pa.Table) -> None:
    # As `scratch.spilling` does, whose imports would make each process start a tenth of a second later.
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as out:
        out.write_table(rows)


def _mapped(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
