"""First pass over a drop: read every file once, judge each row, sort what is kept into runs on scratch."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from services.contracts.errors import Fault
from services.ingest.batches import batches
from services.ingest.drop import Drop, SourceFile, first_line, parquet_file
from services.ingest.rows import RowReader, Rows
from services.ingest.runs import RUN_BYTES, Run, write_run
from services.lake.erasures import IsErased
from services.lake.scratch import spilling
from services.lake.store import Store
from services.lake.take import Take, taking
from services.runtime.native import native_kernel
from services.runtime.progress import Progress
from services.runtime.settings import Settings

_TASK_BYTES = 128 * 1024**2
"""Row groups read by one worker in a row; a larger row group is one task, read in batches."""


class Task(NamedTuple):
    """Consecutive row groups of a file."""

    name: str
    file: SourceFile
    groups: list[int]
    first_row: int
    rows: int


class Spilled(NamedTuple):
    """What one task, or all of them in order, left on scratch."""

    runs: tuple[Run, ...]
    quarantine: tuple[Path, ...]
    source_rows: Counter[str]
    """By file."""
    unusable_eventdates: int
    faults: tuple[Fault, ...]
    erased: int = 0
    """Rows of erased devices, left out."""


def spill(
    source: Store, drop: Drop, folder: Path, settings: Settings, shown: Progress, is_erased: IsErased | None = None
) -> Spilled:
    """Read the drop into runs, in the order of file and row; what cannot be read becomes a fault."""
    tasks = [task for file in drop.files for task in _tasks(file)]
    take = taking(native_kernel(settings.kernel))

    def spill_one(task: Task) -> Spilled:
        return _spill_task(source, drop, _TaskWriter(task, folder, take), shown, is_erased)

    with ThreadPoolExecutor(settings.workers) as pool:
        parts = list(pool.map(spill_one, tasks))
    source_rows = Counter({file.name: 0 for file in drop.files})
    for part in parts:
        source_rows.update(part.source_rows)  # a sum of counters forgets files without rows
    return Spilled(
        runs=tuple(run for part in parts for run in part.runs),
        quarantine=tuple(path for part in parts for path in part.quarantine),
        source_rows=source_rows,
        unusable_eventdates=sum(part.unusable_eventdates for part in parts),
        faults=tuple(dict.fromkeys(fault for part in parts for fault in part.faults)),
        erased=sum(part.erased for part in parts),
    )


def _tasks(file: SourceFile) -> Iterator[Task]:
    groups: list[int] = []
    first = rows = size = 0
    for group in range(file.metadata.num_row_groups):
        about = file.metadata.row_group(group)
        groups.append(group)
        rows, size = rows + about.num_rows, size + about.total_byte_size
        if size >= _TASK_BYTES or group == file.metadata.num_row_groups - 1:
            yield Task(f"{file.name}-{groups[0]}", file, groups, first, rows)
            first, groups, rows, size = first + rows, [], 0, 0


def _spill_task(
    source: Store, drop: Drop, writer: "_TaskWriter", shown: Progress, is_erased: IsErased | None
) -> Spilled:
    task = writer.task
    reader = RowReader(task.file.name, drop.extra, is_erased)
    row = task.first_row
    unusable = erased = 0
    with source.open(task.file.key, task.file.etag) as handle:
        read = batches(handle, parquet_file(handle, task.file.metadata), task.groups)
        while True:
            try:
                batch = next(read, None)
            except (OSError, pa.ArrowException) as unreadable:
                reason = f"its rows cannot be read after row {row} ({first_line(unreadable)})"
                return _unreadable(task, reason)
            if batch is None:
                break
            rows = reader.read(batch, row)
            writer.add(rows)
            row += batch.num_rows
            unusable += rows.unusable_eventdates
            erased += rows.erased
            shown.advance(batch.num_rows)
    if row - task.first_row != task.rows:
        reason = f"its footer claims {task.rows} rows where {row - task.first_row} can be read"
        return _unreadable(task, reason)
    runs, quarantine = writer.close()
    return Spilled(runs, quarantine, Counter({task.file.name: row - task.first_row}), unusable, (), erased)


def _unreadable(task: Task, reason: str) -> Spilled:
    return Spilled((), (), Counter(), 0, (Fault(task.file.name, None, reason),))


class _TaskWriter:
    """Gathers a task's rows to the size of a run."""

    def __init__(self, task: Task, folder: Path, take: Take) -> None:
        self.task = task
        self._folder, self._take = folder, take
        self._pending: list[Rows] = []
        self._pending_bytes = 0
        self._runs: list[Run] = []
        self._quarantine: list[Path] = []

    def add(self, rows: Rows) -> None:
        self._pending.append(rows)
        self._pending_bytes += rows.converted.nbytes
        if self._pending_bytes >= RUN_BYTES:
            self._flush()
        if rows.quarantined.num_rows:
            path = self._folder / f"{self.task.name}-{len(self._quarantine)}.quarantine"
            with spilling(path, rows.quarantined.schema) as out:
                out.write_table(rows.quarantined)
            self._quarantine.append(path)

    def _flush(self) -> None:
        rows = pa.concat_tables([part.converted for part in self._pending])
        starts = np.cumsum([0, *(len(part.converted) for part in self._pending)])
        kept = np.concatenate([part.kept + start for part, start in zip(self._pending, starts, strict=False)])
        self._pending, self._pending_bytes = [], 0
        if len(kept):
            path = self._folder / f"{self.task.name}-{len(self._runs)}.run"
            self._runs.append(write_run(rows, kept, path, self._take))

    def close(self) -> tuple[tuple[Run, ...], tuple[Path, ...]]:
        if self._pending:
            self._flush()
        return tuple(self._runs), tuple(self._quarantine)
