"""Clean: raw rows of a week → one row per event, with the time at which it really happened.

Read it top to bottom: sweep the partitions for whole devices, read their events, merge re-sends, write.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from services.clean.dedup import judge
from services.clean.devices import Devices, Group, chunk_bytes, groups_in_order, whole_devices
from services.clean.events import window_rules
from services.clean.gather import Gathered, gathered, written_order
from services.clean.kernel import Kernel
from services.clean.partitions import PartitionWriters
from services.clean.tally import Tally
from services.contracts import CONTRACT_VERSION, layout
from services.contracts.errors import LedgerError, NotReadyError
from services.contracts.manifest import Input, Manifest, Output, Quality, ledger_gap
from services.lake.grouping import grouped
from services.lake.parquet import (
    GROUP_BYTES,
    LocalFile,
    open_file_limit,
    read_group,
    row_bytes,
    table_of,
    written_footer,
)
from services.lake.publish import Built, Inputs, Job, Outcome, publish, read_manifest
from services.lake.scratch import mapped, require_room, scratch
from services.lake.store import Store
from services.lake.take import taking
from services.runtime.gates import check_gates
from services.runtime.limits import memory_limit
from services.runtime.native import native_kernel
from services.runtime.prefetch import prefetched
from services.runtime.progress import Progress, progress
from services.runtime.settings import Settings
from services.runtime.stage import StageRun

log = structlog.get_logger()

_RAW_COLUMNS = ["service_tag", "cat", "ev", "ts", "eventdate", "source_file", "source_row"]
_IN_MEMORY = 0.4
"""Share of the memory that clean may use up to which rows wait there; what is at work comes on top."""
_WORTH_HOLDING = 0.5
"""Share of the bytes of a product's rows in a step that has to stay for all of them to be held until it is written."""
_EVENT_BYTES = 192
"""What an event says takes about so much, beside the raw row."""


def clean(settings: Settings, lake: Store, week: str) -> Outcome:
    """Bring a week's clean files to what its raw files say."""
    run = StageRun(settings)
    with scratch(lake, settings.scratch) as folder:

        def build(inputs: Inputs, generation: int, fingerprint: str) -> Built:
            return _Build(settings, lake, week, run, folder / "clean", generation).build(inputs, fingerprint)

        job = Job("clean", week, settings.bytes_of("clean"), lambda: _inputs(lake, week), build)
        return publish(lake, job, force=settings.force)


def _inputs(lake: Store, week: str) -> Inputs:
    manifest = read_manifest(lake, "ingest", week)
    if manifest is None:
        raise NotReadyError(f"week {week} has no raw data in {lake.url}; run ingest for it first")
    if manifest.contract != CONTRACT_VERSION:
        raise NotReadyError(
            f"raw of week {week} was made under contract {manifest.contract}, this is contract {CONTRACT_VERSION}; "
            "re-run ingest"
        )
    raw = [o for o in manifest.outputs if o.key.startswith("raw/")]
    return Inputs(tuple((o.key, o.etag, o.bytes) for o in raw))


class _Build:
    """One attempt to make a week's files on scratch."""

    def __init__(
        self, settings: Settings, lake: Store, week: str, run: StageRun, folder: Path, generation: int
    ) -> None:
        self._settings, self._lake, self._week = settings, lake, week
        self._run, self._folder, self._generation = run, folder, generation
        self._in_memory = int(memory_limit(settings.memory_limit) * _IN_MEMORY)
        self._rules = window_rules(
            week,
            before=settings.window_days_before,
            after=settings.window_days_after,
            day_first=settings.day_first,
            volatile=settings.volatile_fields,
        )

    def build(self, inputs: Inputs, fingerprint: str) -> Built:
        """Raw files → audited clean files and the manifest that will name them."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        open_file_limit()
        footers = {key: written_footer(self._lake, key, etag) for key, etag, _ in inputs.objects}
        require_room(self._folder, sum(size for _, _, size in inputs.objects) * 5 // 4 + _waiting(footers.values()))
        pns = [layout.partition_of(key).pn for key in footers]
        tally = Tally(pns)
        take = taking(native_kernel(self._settings.kernel))
        writers = PartitionWriters(
            self._folder, self._week, pns, generation=self._generation, lanes=self._settings.workers, take=take
        )
        with self._run.step("events"), writers:
            copies = self._write(inputs, footers, tally, writers)
            files = writers.close()
        quality = tally.quality()
        ledger = self._ledger(quality, files, copies, sum(footer.num_rows for footer in footers.values()))
        check_gates(self._settings.gates(), vars(quality.figures))

        def manifest(outputs: tuple[Output, ...]) -> Manifest:
            return Manifest(
                stage="clean",
                week=self._week,
                contract=CONTRACT_VERSION,
                generation=self._generation,
                fingerprint=fingerprint,
                inputs=tuple(Input(key, etag, footers[key].num_rows, size) for key, etag, size in inputs.objects),
                outputs=outputs,
                ledger=ledger,
                run=self._run.finish(self._settings.bytes_of("clean")),
                quality=quality,
            )

        return Built(files, writers.empty, manifest)

    def _write(
        self, inputs: Inputs, footers: dict[str, pq.FileMetaData], tally: Tally, writers: PartitionWriters
    ) -> int:
        """Stream the week through; the sum of `copies` over the rows that were written."""
        groups = sorted(
            group
            for key, etag, _ in inputs.objects
            for group in groups_in_order(layout.partition_of(key).pn, key, etag, footers[key], self._lake)
        )
        rows = sum(group.rows for group in groups)
        copies = 0
        with (
            Kernel(self._settings.kernel, self._settings.workers, rows, self._folder) as kernel,
            progress(f"clean {self._week}", rows) as shown,
        ):
            log.info("reading events", kernel=kernel.name, rows=rows, partitions=len(footers))
            # Small row groups of many products are read at once, up to the size of a large one: each call costs alike.
            tasks = grouped(groups, lambda group: group.bytes, GROUP_BYTES // 2)
            reading = prefetched(tasks, lambda task: self._read(task, kernel, tally), self._settings.workers)
            for devices in whole_devices(_one_by_one(reading, shown), chunk_bytes(len(footers))):
                copies += self._write_devices(devices, tally, writers)
        return copies

    def _read(self, task: list[Group], kernel: Kernel, tally: Tally) -> list[pa.ChunkedArray]:
        """Row groups with what their events say; they wait until their devices are complete and written."""
        raw = pa.concat_tables([self._read_raw(group) for group in task])
        events = kernel.read(raw, self._rules)
        columns = {name: raw[name] for name in _RAW_COLUMNS if name not in ("ts", "eventdate")}
        rows = pa.table(columns | {name: events.columns[name] for name in events.columns.schema.names})
        pns = [group.pn for group in task]
        tally.saw_raw(pns, np.repeat(np.arange(len(pns)), [group.rows for group in task]), rows, events.unusable)
        waiting = self._hold(rows)
        ends = np.cumsum([group.rows for group in task]).tolist()
        return [waiting.slice(end - group.rows, group.rows) for group, end in zip(task, ends, strict=True)]

    def _hold(self, rows: pa.Table) -> pa.ChunkedArray:
        """Rows that wait: on scratch once much is in memory, as a row group of each of hundreds of products is."""
        return mapped(rows, self._folder) if self._is_full() else rows.to_struct_array()

    def _is_full(self) -> bool:
        return pa.total_allocated_bytes() > self._in_memory

    def _read_raw(self, group: Group) -> pa.Table:
        with self._lake.open(group.key, group.etag) as handle:
            return read_group(handle, group.metadata, group.ordinal, _RAW_COLUMNS, ("cat",))

    def _write_devices(self, devices: Devices, tally: Tally, writers: PartitionWriters) -> int:
        """Judge whole devices and hand what stays to the writers; the sum of `copies` of what stays.

        All partitions at once: of hundreds each has few of the rows, and every step costs as much for few as for many.
        """
        pns = list(devices)
        rows = table_of(devices.values())
        edges = np.cumsum([0, *map(len, devices.values())])
        pn = np.repeat(np.arange(len(pns)), np.diff(edges))
        judged = _judged_columns(rows, is_unknown=np.array([pn == layout.UNKNOWN_PN for pn in pns])[pn])
        verdict = judge(judged)
        tally.saw_verdict(pns, pn, rows, verdict)
        order = written_order(judged, pn, verdict.kept)
        order_of = np.split(order, np.searchsorted(pn[order], np.arange(1, len(pns))))
        sizes = row_bytes(rows)
        for name, start, stop, places in zip(pns, edges[:-1], edges[1:], order_of, strict=True):
            own = slice(start, stop)
            for piece in gathered(devices[name], places - start, sizes[own], verdict.copies[own]):
                writers.append(name, self._worth_holding(piece))
        return int(verdict.copies[verdict.kept].sum())

    def _worth_holding(self, piece: Gathered) -> Gathered:
        """The piece; of one of which few rows are wanted only those, as it waits until its row group is written.

        Product by product, as those that fill a row group late would hold what others have long written; and by Arrow,
        whose memory is counted. Once much is in memory the rows stay where they are, which is scratch by then.
        """
        if self._is_full() or piece.bytes.sum() >= piece.held_bytes * _WORTH_HOLDING:
            return piece
        rows = taking(None)(table_of([piece.rows]), piece.places).to_struct_array()
        return piece._replace(rows=rows, places=np.arange(len(rows)))

    def _ledger(self, quality: Quality, files: dict[str, LocalFile], copies: int, raw: int) -> dict[str, int]:
        sides = [({"raw": raw}, {"clean": sum(f.rows for f in files.values()), "re-sends": quality.counts.resends})]
        sides += [({"raw": raw}, {"copies": copies}), ({"raw": raw}, {"rows read": quality.counts.raw_rows})]
        for key, file in files.items():
            counts = quality.counts_by_pn[layout.partition_of(key).pn]
            sides.append(({f"{key}: raw": counts.raw_rows}, {"clean": file.rows, "re-sends": counts.resends}))
        gaps = [gap for left, right in sides if (gap := ledger_gap(left, right))]
        if gaps:
            raise LedgerError(
                f"clean {self._week}: {'; '.join(gaps)}; nothing was published, this is a defect of the program"
            )
        return {"raw_rows": raw, "clean_rows": quality.counts.clean_rows, "resends": quality.counts.resends}


def _waiting(footers: Iterable[pq.FileMetaData]) -> int:
    """Bytes that wait on scratch at most.

    A row group of every partition and a chunk of whole devices wait for the rest of their devices, and then as much
    for their row groups; but never more than all rows.
    """
    groups = [
        [
            group.total_byte_size + _EVENT_BYTES * group.num_rows
            for group in map(footer.row_group, range(footer.num_row_groups))
        ]
        for footer in footers
    ]
    return min(sum(map(sum, groups)), 2 * (sum(max(sizes, default=0) for sizes in groups) + chunk_bytes(len(groups))))


def _one_by_one(
    reading: Iterator[tuple[list[Group], list[pa.ChunkedArray]]], shown: Progress
) -> Iterator[tuple[Group, pa.ChunkedArray]]:
    for task, parts in reading:
        for group, rows in zip(task, parts, strict=True):
            yield group, rows
            shown.advance(group.rows)


def _judged_columns(rows: pa.Table, *, is_unknown: np.ndarray) -> pa.Table:
    """What re-sends are judged by, without the large text."""
    keys = ["event_key", "key_hash", "payload_hash"]
    narrow = rows.select(["service_tag", "valid_timestamp", "source_file", "source_row", *keys])
    return narrow.append_column("is_unknown", pa.array(is_unknown)).combine_chunks()
