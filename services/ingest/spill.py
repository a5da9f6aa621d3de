"""First pass over a drop: read every file once, judge each row, sort what is kept into runs on scratch."""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from services.contracts.errors import BadFilesError, Fault
from services.ingest.batches import batches
from services.ingest.drop import Drop, SourceFile, first_line, parquet_file
from services.ingest.rows import RowReader, Rows
from services.ingest.runs import RUN_BYTES, Run, write_run
from services.lake.erasures import IsErased
from services.lake.grouping import grouped
from services.lake.parquet import groups_together
from services.lake.scratch import spilling
from services.lake.store import Store
from services.lake.take import Take, taking
from services.runtime.native import native_kernel
from services.runtime.progress import Progress
from services.runtime.settings import Settings

_PART_BYTES = 128 * 1024**2
"""Row groups of a file that are read by one worker in a row; a larger row group is read in batches."""


class Part(NamedTuple):
    """Consecutive row groups of a file."""

    file: SourceFile
    groups: list[int]
    first_row: int
    rows: int
    bytes: int


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
    tasks = list(_tasks(drop.files))
    take = taking(native_kernel(settings.kernel))

    def spill_one(number: int) -> Spilled:
        return _spill_task(source, drop, tasks[number], _TaskWriter(number, folder, take), shown, is_erased)

    with ThreadPoolExecutor(settings.workers) as pool:
        done = list(pool.map(spill_one, range(len(tasks))))
    source_rows = Counter({file.name: 0 for file in drop.files})
    for task in done:
        source_rows.update(task.source_rows)  # a sum of counters forgets files without rows
    return Spilled(
        runs=tuple(run for task in done for run in task.runs),
        quarantine=tuple(path for task in done for path in task.quarantine),
        source_rows=source_rows,
        unusable_eventdates=sum(task.unusable_eventdates for task in done),
        faults=tuple(dict.fromkeys(fault for task in done for fault in task.faults)),
        erased=sum(task.erased for task in done),
    )


def _tasks(files: Iterable[SourceFile]) -> Iterator[list[Part]]:
    """What one worker reads in a row: parts worth a run, so that thousands of small files are not as many runs."""
    return grouped(chain.from_iterable(map(_parts, files)), lambda part: part.bytes, RUN_BYTES)


def _parts(file: SourceFile) -> Iterator[Part]:
    first = 0
    for groups, rows, size in groups_together(file.metadata, _PART_BYTES):
        yield Part(file, groups, first, rows, size)
        first += rows


def _spill_task(
    source: Store,
    drop: Drop,
    task: list[Part],
    writer: "_TaskWriter",
    shown: Progress,
    is_erased: IsErased | None,
) -> Spilled:
    source_rows = Counter[str]()
    faults: list[Fault] = []
    unusable = erased = 0
    for part in task:
        try:
            for count, rows in _judged(source, part, RowReader(part.file.name, drop.extra, is_erased)):
                writer.add(rows)
                source_rows[part.file.name] += count
                unusable += rows.unusable_eventdates
                erased += rows.erased
                shown.advance(count)
        except BadFilesError as bad:
            faults += bad.faults
    if faults:  # the rest is read anew without those files, or not at all
        return Spilled((), (), Counter(), 0, tuple(faults))
    runs, quarantine = writer.close()
    return Spilled(runs, quarantine, source_rows, unusable, (), erased)


def _judged(source: Store, part: Part, reader: RowReader) -> Iterator[tuple[int, Rows]]:
    """Each batch's number of rows and what becomes of them; BadFilesError where they are not what the footer says."""
    row = part.first_row
    with source.open(part.file.key, part.file.etag) as handle:
        read = batches(handle, parquet_file(handle, part.file.metadata), part.groups)
        while True:
            try:
                batch = next(read, None)
            except (OSError, pa.ArrowException) as unreadable:
                raise _bad(part, f"its rows cannot be read after row {row} ({first_line(unreadable)})") from unreadable
            if batch is None:
                break
            yield batch.num_rows, reader.read(batch, row)
            row += batch.num_rows
    if row - part.first_row != part.rows:
        raise _bad(part, f"its footer claims {part.rows} rows where {row - part.first_row} can be read")


def _bad(part: Part, reason: str) -> BadFilesError:
    return BadFilesError([Fault(part.file.name, None, reason)])


class _TaskWriter:
    """Gathers a task's rows to the size of a run."""

    def __init__(self, number: int, folder: Path, take: Take) -> None:
        self._number, self._folder, self._take = number, folder, take
        self._pending: list[tuple[pa.Table, np.ndarray]] = []
        """Rows, and the places of those that are kept."""
        self._pending_bytes = 0
        self._runs: list[Run] = []
        self._quarantine: list[Path] = []

    def add(self, rows: Rows) -> None:
        self._pending.append((rows.converted, rows.kept))
        self._pending_bytes += rows.converted.nbytes
        if self._pending_bytes >= RUN_BYTES:
            self._flush()
        if rows.quarantined.num_rows:
            path = self._folder / f"{self._number}-{len(self._quarantine)}.quarantine"
            with spilling(path, rows.quarantined.schema) as out:
                out.write_table(rows.quarantined)
            self._quarantine.append(path)

    def _flush(self) -> None:
        rows = pa.concat_tables([part for part, _ in self._pending])
        starts = np.cumsum([0, *(len(part) for part, _ in self._pending)])
        kept = np.concatenate([places + start for (_, places), start in zip(self._pending, starts, strict=False)])
        self._pending, self._pending_bytes = [], 0
        if len(kept):
            path = self._folder / f"{self._number}-{len(self._runs)}.run"
            self._runs.append(write_run(rows, kept, path, self._take))

    def close(self) -> tuple[tuple[Run, ...], tuple[Path, ...]]:
        if self._pending:
            self._flush()
        return tuple(self._runs), tuple(self._quarantine)
