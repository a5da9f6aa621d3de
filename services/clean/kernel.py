"""Which kernel reads the events, and where: the native one in threads, the Python one in processes."""

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import pyarrow as pa

from services.clean.events import Events, Rules, read_events_python
from services.clean.processes import Processes
from services.runtime.native import native_kernel

_INPUT = ["ev", "ts", "eventdate"]
_WORTH_PROCESSES = 100_000
"""Rows below which starting processes (half a second) costs more than they save."""


class Kernel:
    """Reads events; `read` may be called from several threads."""

    def __init__(self, wanted: Literal["auto", "native", "python"], workers: int, rows: int, scratch: Path) -> None:
        self._native = native_kernel(wanted)
        self.name = "native" if self._native else "python"
        worth_it = self.name == "python" and workers > 1 and rows > _WORTH_PROCESSES
        self._processes = Processes(workers, scratch) if worth_it else None

    def read(self, rows: pa.Table, rules: Rules) -> Events:
        """The events of rows with columns ev, ts and eventdate."""
        rows = rows.select(_INPUT)
        if self._native:
            read = [self._native.read_events(batch, *rules[:3], list(rules.volatile)) for batch in rows.to_batches()]
            unusable = sum((Counter(passed_over) for _, passed_over in read), Counter())
            return Events(pa.Table.from_batches([columns for columns, _ in read]), unusable)
        return self._processes.read(rows, rules) if self._processes else read_events_python(rows, rules)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._processes:
            self._processes.close(wait=error is None)
