"""A week's clean files while they are being written: all open at once, each fed in order."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from services.clean.gather import Gathered
from services.contracts import layout
from services.contracts.tables import CLEAN
from services.lake.parquet import FileWriter, LocalFile, audit, group_bytes
from services.lake.take import Take

_WAITING_BYTES = 144 * 1024**2
"""What may wait to be encoded, which is the slowest step; parts of a very large device are in memory meanwhile."""


class PartitionWriters:
    """Encodes in a few lanes, each a thread; a partition always uses the same lane, so its rows stay in order."""

    def __init__(self, folder: Path, week: str, pns: list[str], *, generation: int, lanes: int, take: Take) -> None:
        self._folder, self._week, self._generation, self._take = folder, week, generation, take
        self._group = group_bytes(len(pns))
        self._writers = {pn: self._open(layout.partition_key("clean", week, pn)) for pn in pns}
        self._lanes = [ThreadPoolExecutor(1) for _ in range(lanes)]
        self._waiting: deque[tuple[Future[None], int]] = deque()
        """Appends and the bytes that each counts for, the oldest first."""
        self._waiting_bytes = 0
        self._lane_of = {pn: place % lanes for place, pn in enumerate(pns)}

    def append(self, pn: str, piece: Gathered) -> None:
        """Add rows that follow the partition's earlier ones; waits while too much waits."""
        size = int(piece.bytes.sum())
        while self._waiting and self._waiting_bytes + size > _WAITING_BYTES:
            self._wait()
        writer = self._writers[pn]
        columns = {"copies": piece.copies}
        appended = self._lanes[self._lane_of[pn]].submit(
            writer.append_in_order, piece.rows, piece.places, piece.bytes, columns
        )
        self._waiting.append((appended, size))
        self._waiting_bytes += size

    def close(self) -> dict[str, LocalFile]:
        """Finish and audit every file; by key."""
        while self._waiting:
            self._wait()
        done = {pn: self._lanes[self._lane_of[pn]].submit(self._finish, pn) for pn in list(self._writers)}
        return {layout.partition_key("clean", self._week, pn): future.result() for pn, future in done.items()}

    def _wait(self) -> None:
        future, size = self._waiting.popleft()
        future.result()
        self._waiting_bytes -= size

    def empty(self, key: str) -> LocalFile:
        """The file without rows for a partition that the week no longer has."""
        file = self._open(key).close()
        audit(file, CLEAN.schema)
        return file

    def _finish(self, pn: str) -> LocalFile:
        file = self._writers.pop(pn).close()
        audit(file, CLEAN.schema)
        return file

    def _open(self, key: str) -> FileWriter:
        order = tuple(column.split(" ")[0] for column in CLEAN.order)
        return FileWriter(
            self._folder / key,
            CLEAN.schema,
            generation=self._generation,
            order=order,
            group=self._group,
            take=self._take,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lane in self._lanes:
            lane.shutdown(wait=True, cancel_futures=True)
        for writer in self._writers.values():
            writer.__exit__(kind, error, trace)
