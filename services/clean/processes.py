"""The Python kernel in processes of its own, because a loop in Python holds the interpreter lock.

Batches go there and come back as Arrow files on scratch, which are mapped into memory: through pipes, as they would
go by themselves, they took a fifth of all of clean's time.
"""

import gc
import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import count
from pathlib import Path

import pyarrow as pa

from services.clean.events import EVENT_SCHEMA, Events, Rules, read_events_python
from services.contracts.errors import TemporaryError


class Processes:
    """Reads batches of events in a few processes; `read` may be called from several threads."""

    def __init__(self, workers: int, scratch: Path) -> None:
        # Forking a process with threads is not safe. What JSON holds has no cycles: looking for them took a tenth of
        # the time.
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=gc.disable)
        self._scratch, self._numbers = scratch, count()

    def read(self, batches: list[pa.RecordBatch], rules: Rules) -> list[Events]:
        """The events of batches with columns ev, ts and eventdate, each by itself."""
        if not batches:
            return []
        there = self._scratch / f"rows-{next(self._numbers)}.arrow"
        back = there.with_suffix(".events")
        _write(there, batches[0].schema, batches)
        try:
            unusable = self._pool.submit(_read_file, there, back, rules).result()
        except BrokenProcessPool as killed:
            raise TemporaryError(
                "a process that reads events was killed, mostly for want of memory; run it again, with more memory or "
                "with fewer --workers"
            ) from killed
        events = [Events(columns, passed) for columns, passed in zip(_mapped(back), unusable, strict=True)]
        # What is mapped stays until its last reader lets go of it.
        there.unlink()
        back.unlink()
        return events

    def close(self, *, wait: bool) -> None:
        """End the processes; without waiting for what they are at, where nobody needs it."""
        self._pool.shutdown(wait=wait, cancel_futures=True)


def _read_file(there: Path, back: Path, rules: Rules) -> list[dict[tuple[str, int | None], int]]:
    """In another process: the events of a file's batches, written to a file; the candidates passed over, by batch."""
    events = [read_events_python(batch, rules) for batch in _mapped(there)]
    _write(back, EVENT_SCHEMA, [columns for columns, _ in events])
    return [unusable for _, unusable in events]


def _write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    # As `scratch.spilling` does, whose imports would make each process start a tenth of a second later.
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as out:
        for batch in batches:
            out.write_batch(batch)


def _mapped(path: Path) -> list[pa.RecordBatch]:
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    return [reader.get_batch(place) for place in range(reader.num_record_batches)]
