"""Which kernel reads the events, and where: the native one in threads, the Python one in processes."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import Literal, Self

import pyarrow as pa

from services.clean.events import Events, Rules, read_events_python
from services.contracts.errors import UsageError

try:
    import eventlog_kernel
except ImportError:
    eventlog_kernel = None

_INPUT = ["ev", "ts", "eventdate"]
_WORTH_PROCESSES = 100_000
"""Rows below which starting processes (half a second) costs more than they save."""


class Kernel:
    """Reads batches of events; `read` may be called from several threads."""

    def __init__(self, wanted: Literal["auto", "native", "python"], workers: int, rows: int) -> None:
        if wanted == "native" and eventlog_kernel is None:
            raise UsageError(
                "EVENTLOG_KERNEL=native: the native kernel is not installed; `make setup` builds it where cargo is "
                "there, or set EVENTLOG_KERNEL=auto"
            )
        self.name = "python" if eventlog_kernel is None or wanted == "python" else "native"
        # Python's JSON loop holds the interpreter lock; forking a process with threads is not safe.
        processes = self.name == "python" and workers > 1 and rows > _WORTH_PROCESSES
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, mp_context=spawn) if processes else None

    def read(self, batch: pa.RecordBatch, rules: Rules) -> Events:
        """The events of a batch with columns ev, ts and eventdate."""
        batch = batch.select(_INPUT)
        if self.name == "native":
            return Events(*eventlog_kernel.read_events(batch, *rules[:3], list(rules.volatile)))
        if self._pool:
            return self._pool.submit(read_events_python, batch, rules).result()
        return read_events_python(batch, rules)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool:
            self._pool.shutdown(wait=error is None, cancel_futures=True)
