"""Feature: the newest clean weeks → one row per device, and the table of errors.

Read it top to bottom: choose the weeks, stream their rows into counts and errors, write both tables in order.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from services.contracts import CONTRACT_VERSION, layout
from services.contracts.errors import LedgerError, NotReadyError
from services.contracts.manifest import Counts, Input, Manifest, Output, Window, ledger_gap, read_by_feature
from services.contracts.tables import DEVICE_FEATURES, ERROR_EVENTS, Table
from services.feature.aggregate import Aggregator
from services.feature.counts import are_errors, counts_by_device, severities
from services.lake.parquet import (
    GROUP_BYTES,
    FileWriter,
    LocalFile,
    audit,
    group_batches,
    groups_together,
    written_footer,
)
from services.lake.publish import Built, Inputs, Job, Outcome, publish, read_manifest
from services.lake.scratch import scratch
from services.lake.store import Store
from services.runtime.limits import memory_limit
from services.runtime.prefetch import prefetched
from services.runtime.progress import progress
from services.runtime.settings import Settings
from services.runtime.stage import StageRun

log = structlog.get_logger()

_NARROW = ("service_tag", "cat")
_WIDE = ["service_tag", "valid_timestamp", "event_key", "cat", "ev", "source_file", "source_row"]


def feature(settings: Settings, lake: Store) -> Outcome:
    """Bring the feature tables to what the newest clean weeks say."""
    run = StageRun(settings)
    with scratch(lake, settings.scratch) as folder:

        def build(inputs: Inputs, generation: int, fingerprint: str) -> Built:
            return _Build(settings, lake, run, folder / "feature", generation).build(inputs, fingerprint)

        job = Job("feature", None, settings.bytes_of("feature"), lambda: _inputs(settings, lake), build)
        return publish(lake, job, force=settings.force)


def clean_weeks(settings: Settings, lake: Store) -> dict[str, Manifest]:
    """The newest published clean weeks, oldest first; NotReadyError where there is none."""
    weeks = sorted(name.removeprefix("week=") for name in lake.folders("_control/clean/"))
    published = {week: manifest for week in weeks if (manifest := read_manifest(lake, "clean", week))}
    newest = list(published)[-settings.feature_weeks :] if settings.feature_weeks else list(published)
    if not newest:
        raise NotReadyError(f"{lake.url} has no clean week yet; run clean first")
    old = [week for week in newest if published[week].contract != CONTRACT_VERSION]
    if old:
        raise NotReadyError(f"clean of {', '.join(old)} was made under an older contract; run them again")
    return {week: published[week] for week in newest}


def _inputs(settings: Settings, lake: Store) -> Inputs:
    weeks = clean_weeks(settings, lake).values()
    return Inputs(tuple(sorted(found for clean in weeks for found in read_by_feature(clean))))


class _Groups(NamedTuple):
    """Row groups of a clean file that are read together."""

    partition: layout.Partition
    key: str
    etag: str
    metadata: pq.FileMetaData
    ordinals: list[int]
    rows: int


class _Rows(NamedTuple):
    """What row groups give."""

    counts: pa.Table
    errors: pa.Table | None


class _Build:
    """One attempt to make the feature tables on scratch."""

    def __init__(self, settings: Settings, lake: Store, run: StageRun, folder: Path, generation: int) -> None:
        self._settings, self._lake = settings, lake
        self._run, self._folder, self._generation = run, folder, generation

    def build(self, inputs: Inputs, fingerprint: str) -> Built:
        """Clean files → audited feature files and the manifest that will name them."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        weeks = clean_weeks(self._settings, self._lake)
        as_of_week = max(weeks)
        memory = memory_limit(self._settings.memory_limit) // 2
        with Aggregator(self._folder, memory=memory, threads=self._settings.workers) as aggregator:
            with self._run.step("read"):
                rows = self._read(inputs, weeks, aggregator)
            with self._run.step("write"):
                events = 0
                features = self._writer(layout.DEVICE_FEATURES, DEVICE_FEATURES)
                with features:
                    for batch in aggregator.device_features(as_of_week):
                        events += int(batch["total_events"].to_numpy().sum())
                        features.append(batch)
                    devices = _finished(features, DEVICE_FEATURES)
                error_writer = self._writer(layout.ERROR_EVENTS, ERROR_EVENTS)
                with error_writer:
                    for batch in aggregator.error_events():
                        error_writer.append(batch)
                    errors = _finished(error_writer, ERROR_EVENTS)
        ledger = self._ledger(weeks, events, errors.rows)
        window = Window(tuple(weeks), as_of_week, devices.rows)

        def manifest(outputs: tuple[Output, ...]) -> Manifest:
            return Manifest(
                stage="feature",
                week=None,
                contract=CONTRACT_VERSION,
                generation=self._generation,
                fingerprint=fingerprint,
                inputs=tuple(Input(key, etag, rows[key], size) for key, etag, size in inputs.objects),
                outputs=outputs,
                ledger=ledger,
                run=self._run.finish(self._settings.bytes_of("feature")),
                window=window,
            )

        files = {layout.DEVICE_FEATURES: devices, layout.ERROR_EVENTS: errors}
        return Built(files, files.__getitem__, manifest)

    def _read(self, inputs: Inputs, weeks: dict[str, Manifest], aggregator: Aggregator) -> dict[str, int]:
        """Stream every row group into the aggregator; rows by key."""
        rows = {key: 0 for key, _, _ in inputs.objects}
        with progress("feature", sum(counts.clean_rows for counts in _counts(weeks))) as shown:
            for groups, found in prefetched(self._groups(inputs), self._read_groups, self._settings.workers):
                aggregator.count(found.counts)
                if found.errors:
                    aggregator.collect(found.errors)
                rows[groups.key] += groups.rows
                shown.advance(groups.rows)
        return rows

    def _groups(self, inputs: Inputs) -> Iterator[_Groups]:
        """All row groups, with one footer at a time: those of many weeks and products would fill the memory."""
        for key, etag, size in inputs.objects:
            if size:  # else a week without rows
                metadata = written_footer(self._lake, key, etag)
                # Of many products they are small: so many are read together as are one of full size elsewhere.
                for ordinals, rows, _ in groups_together(metadata, GROUP_BYTES):
                    yield _Groups(layout.partition_of(key), key, etag, metadata, ordinals, rows)

    def _read_groups(self, groups: _Groups) -> _Rows:
        with self._lake.open(groups.key, groups.etag) as handle:
            narrow = pa.Table.from_batches(
                group_batches(handle, groups.metadata, groups.ordinals, [*_NARROW], dictionaries=_NARROW)
            )
        severity = severities(narrow["cat"])
        counts = counts_by_device(narrow["service_tag"], severity)
        bad = are_errors(severity)
        errors = _placed(self._read_errors(groups, bad), groups.partition) if bad.any() else None
        return _Rows(_placed(counts, groups.partition), errors)

    def _read_errors(self, groups: _Groups, bad: np.ndarray) -> pa.Table:
        """The rows of row groups that are errors, never holding the text of all."""
        errors, row = [], 0
        with self._lake.open(groups.key, groups.etag) as handle:
            for batch in group_batches(handle, groups.metadata, groups.ordinals, _WIDE):
                errors.append(batch.filter(pa.array(bad[row : row + batch.num_rows])))
                row += batch.num_rows
        return pa.Table.from_batches(errors).combine_chunks()

    def _writer(self, key: str, table: Table) -> FileWriter:
        order = tuple(column.split(" ")[0] for column in table.order if column.split(" ")[0] in table.schema.names)
        return FileWriter(self._folder / key, table.schema, generation=self._generation, order=order)

    def _ledger(self, weeks: dict[str, Manifest], events: int, errors: int) -> dict[str, int]:
        clean = sum(counts.clean_rows for counts in _counts(weeks))
        clean_errors = sum(counts.errors for counts in _counts(weeks))
        gaps = [
            ledger_gap({"events of all devices": events}, {"clean": clean}),
            ledger_gap({"error events": errors}, {"errors in clean": clean_errors}),
        ]
        found = [gap for gap in gaps if gap]
        if found:
            raise LedgerError(f"feature: {'; '.join(found)}; nothing was published, this is a defect of the program")
        return {"clean_rows": clean, "total_events": events, "error_events": errors}


def _counts(weeks: dict[str, Manifest]) -> list[Counts]:
    return [manifest.quality.counts for manifest in weeks.values() if manifest.quality]


def _finished(writer: FileWriter, table: Table) -> LocalFile:
    file = writer.close()
    audit(file, table.schema)
    return file


def _placed(rows: pa.Table, partition: layout.Partition) -> pa.Table:
    """The rows with their pn and week as columns."""
    zeros = pa.array(np.zeros(rows.num_rows, dtype=np.int32))
    for name, value in (("pn", partition.pn), ("week", partition.week)):
        rows = rows.append_column(name, pa.DictionaryArray.from_arrays(zeros, [value]))
    return rows
