"""Ingest: a drop, partitioned by week and pn, its rows clustered by device.

Read it top to bottom: list the drop, spill its rows in sorted runs, merge the runs into one file per pn.
"""

import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import structlog

from services.contracts import CONTRACT_VERSION, layout
from services.contracts.errors import BadInputError, LedgerError
from services.contracts.manifest import Drop as DropFigures
from services.contracts.manifest import Input, Manifest, Output, ledger_gap
from services.contracts.tables import QUARANTINE, QUARANTINE_REASONS, RAW, raw_schema
from services.ingest.drop import Drop, read_footers, without_bad_files
from services.ingest.runs import OpenRuns, merged, remove
from services.ingest.spill import Spilled, spill
from services.lake.erasures import read_erasures, require_known, to_leave_out
from services.lake.grouping import grouped
from services.lake.parquet import FileWriter, LocalFile, audit, group_bytes, open_file_limit
from services.lake.publish import Built, Inputs, Job, Outcome, publish, read_manifest
from services.lake.scratch import require_room, scratch
from services.lake.source import list_drop, name_passed_over
from services.lake.store import Store
from services.lake.take import taking
from services.runtime.gates import check_gates
from services.runtime.native import native_kernel
from services.runtime.progress import progress
from services.runtime.settings import Settings
from services.runtime.stage import StageRun

log = structlog.get_logger()

MAX_PARTITIONS = 2_000
"""Beyond this a pn is no product but an identity, and small files would drown every reader."""

_SHARE_BYTES = 64 * 1024**2
"""Rows that are merged together of products that have fewer: every step costs as much for few rows as for many."""


def ingest(settings: Settings, source: Store, lake: Store, week: str) -> Outcome:
    """Bring raw and quarantine of a week to what its drop says."""
    run = StageRun(settings)
    with scratch(lake, settings.scratch) as folder:

        def build(inputs: Inputs, generation: int, fingerprint: str) -> Built:
            return _Build(settings, source, lake, week, run, folder / "ingest", generation).build(inputs, fingerprint)

        require_known(lake, read_manifest(lake, "ingest", week))
        job = Job("ingest", week, settings.bytes_of("ingest"), lambda: _inputs(settings, source, lake, week), build)
        return publish(lake, job, force=settings.force)


def _inputs(settings: Settings, source: Store, lake: Store, week: str) -> Inputs:
    return to_leave_out(read_erasures(lake), week, list_drop(source, week, settings.settle_seconds))


class _Build:
    """One attempt to make a week's files on scratch."""

    def __init__(
        self, settings: Settings, source: Store, lake: Store, week: str, run: StageRun, folder: Path, generation: int
    ) -> None:
        self._settings, self._source, self._lake, self._week = settings, source, lake, week
        self._run, self._folder, self._generation = run, folder, generation

    def build(self, inputs: Inputs, fingerprint: str) -> Built:
        """Drop → audited files and the manifest that will name them."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        open_file_limit()
        name_passed_over(self._source, self._week)
        with self._run.step("read"):
            drop, spilled = self._spill(read_footers(self._source, inputs), inputs.erased)
        pns = self._partitions(spilled)
        schema = raw_schema(drop.extra.schema)
        with self._run.step("write"):
            files = self._write_partitions(pns, spilled, schema)
            remove(spilled.runs, self._settings.workers)
            reasons, quarantine = self._write_quarantine(spilled)
        files[layout.quarantine_key(self._week)] = quarantine
        ledger = self._ledger(spilled, files, reasons)
        figures = self._figures(inputs, drop, spilled, files, reasons, schema)
        check_gates(self._settings.gates(), {"raw_bytes": figures.raw_bytes})
        read = tuple(
            Input(key, etag, spilled.source_rows[key.rpartition("/")[2]], size) for key, etag, size in inputs.objects
        )

        def manifest(outputs: tuple[Output, ...]) -> Manifest:
            return Manifest(
                stage="ingest",
                week=self._week,
                contract=CONTRACT_VERSION,
                generation=self._generation,
                fingerprint=fingerprint,
                inputs=read,
                outputs=outputs,
                ledger=ledger,
                run=self._run.finish(self._settings.bytes_of("ingest")),
                drop=figures,
            )

        return Built(files, lambda key: self._write(key, [], schema, len(pns)), manifest)

    def _spill(self, drop: Drop, erased: tuple[str, ...]) -> tuple[Drop, Spilled]:
        """Read all rows; bad files stop the run or are left out, and then the rest is read anew without them."""
        is_erased = read_erasures(self._lake).matcher(erased) if erased else None
        while True:
            drop = without_bad_files(drop, self._settings.on_bad_file)
            groups = [file.metadata.row_group(g) for file in drop.files for g in range(file.metadata.num_row_groups)]
            require_room(self._folder, 2 * sum(group.total_byte_size for group in groups))
            with progress(f"ingest {self._week}", sum(file.metadata.num_rows for file in drop.files)) as shown:
                spilled = spill(self._source, drop, self._folder, self._settings, shown, is_erased)
            if not spilled.faults:
                return drop, spilled
            drop = drop._replace(faults=drop.faults + spilled.faults)

    def _partitions(self, spilled: Spilled) -> dict[str, int]:
        """Rows of each pn, by the bytes of its name."""
        rows = Counter[str]()
        for run in spilled.runs:
            rows.update(run.rows)
        if len(rows) > MAX_PARTITIONS:
            largest = ", ".join(f"{pn} ({count:,} rows)" for pn, count in rows.most_common(3))
            raise BadInputError(
                f"week {self._week}: column pn has {len(rows):,} values, at most {MAX_PARTITIONS:,} are products; "
                f"the largest are {largest}. Ask the sender what pn holds now"
            )
        if self._lake.folds_case():
            self._check_case(set(rows))
        return {pn: rows[pn] for pn in sorted(rows, key=str.encode)}

    def _check_case(self, pns: set[str]) -> None:
        """BadInputError for names that would be one file; an earlier drop's stay as files without rows."""
        earlier = self._lake.objects(layout.zone_prefixes("ingest", self._week)[0])
        named = pns | {layout.partition_of(o.key).pn for o in earlier}
        folded = Counter(pn.casefold() for pn in named)
        same = sorted(pn for pn in named if folded[pn.casefold()] > 1)
        if same:
            raise BadInputError(
                f"week {self._week}: pn {' and '.join(same)} differ only in case and would be one file on this file "
                "system; use a lake on a case-sensitive one or on S3"
            )

    def _write_partitions(self, pns: dict[str, int], spilled: Spilled, schema: pa.Schema) -> dict[str, LocalFile]:
        runs = OpenRuns(spilled.runs)
        take = taking(native_kernel(self._settings.kernel))

        def write(share: list[str]) -> dict[str, LocalFile]:
            rows = merged(runs, share[0], share[-1], take)
            return {
                pn: self._write(self._key(pn), (piece for _, piece in pieces), schema, len(pns))
                for pn, pieces in groupby(rows, key=itemgetter(0))
            }

        with ThreadPoolExecutor(self._settings.workers) as pool:
            files: dict[str, LocalFile] = {}
            for made in pool.map(write, _shares(pns, runs.row_bytes)):
                files |= made
        return {self._key(pn): files[pn] for pn in pns}

    def _key(self, pn: str) -> str:
        return layout.partition_key("ingest", self._week, pn)

    def _write(self, key: str, chunks: object, schema: pa.Schema, partitions: int) -> LocalFile:
        path = self._folder / key
        writer = FileWriter(path, schema, generation=self._generation, order=RAW.order, group=group_bytes(partitions))
        with writer:
            for chunk in chunks:  # type: ignore[attr-defined]
                writer.append(chunk.select(schema.names))
            file = writer.close()
        audit(file, schema)
        return file

    def _write_quarantine(self, spilled: Spilled) -> tuple[Counter[str], LocalFile]:
        reasons = Counter(dict.fromkeys(QUARANTINE_REASONS, 0))
        path = self._folder / layout.quarantine_key(self._week)
        writer = FileWriter(path, QUARANTINE.schema, generation=self._generation, order=QUARANTINE.order)
        with writer:
            for part in spilled.quarantine:
                rows = pa.ipc.open_file(pa.memory_map(str(part))).read_all()
                reasons.update(rows["reason"].to_pylist())
                writer.append(rows)
            file = writer.close()
        audit(file, QUARANTINE.schema)
        return reasons, file

    def _ledger(self, spilled: Spilled, files: dict[str, LocalFile], reasons: Counter[str]) -> dict[str, int]:
        raw = sum(file.rows for key, file in files.items() if key.startswith("raw/"))
        source = spilled.source_rows.total()
        fates = {"raw": raw, "quarantined": reasons.total(), "erased": spilled.erased}
        gap = ledger_gap({"source rows": source}, fates)
        if gap:
            raise LedgerError(f"ingest {self._week}: {gap}; nothing was published, this is a defect of the program")
        return {"source_rows": source, **{f"{fate}_rows": rows for fate, rows in fates.items()}}

    def _figures(
        self,
        inputs: Inputs,
        drop: Drop,
        spilled: Spilled,
        files: dict[str, LocalFile],
        reasons: Counter[str],
        schema: pa.Schema,
    ) -> DropFigures:
        skipped: dict[str, list[str]] = {}
        for fault in drop.faults:
            skipped.setdefault(fault.file, []).append(str(fault))
        return DropFigures(
            raw_bytes=sum(size for _, _, size in inputs.objects),
            raw_bytes_previous=previous_bytes(self._lake, self._week),
            rows_by_file=dict(spilled.source_rows),
            rows_by_pn={
                layout.partition_of(key).pn: file.rows for key, file in files.items() if key.startswith("raw/")
            },
            quarantined=dict(reasons),
            unusable_eventdates=spilled.unusable_eventdates,
            skipped_files={file: "; ".join(reasons) for file, reasons in skipped.items()},
            columns={field.name: str(field.type) for field in schema},
            erased=inputs.erased,
        )


def _shares(pns: dict[str, int], row_bytes: int) -> list[list[str]]:
    """What one worker merges in a row: neighbouring pns up to a size, large ones first."""
    shares = grouped(pns, lambda pn: pns[pn] * row_bytes, _SHARE_BYTES)
    # By whole sizes, so that those of small products stay in the order in which they lie in the runs.
    return sorted(shares, key=lambda share: sum(pns[pn] for pn in share) * row_bytes // _SHARE_BYTES, reverse=True)


def previous_bytes(lake: Store, week: str) -> int | None:
    """Bytes of the newest earlier drop that was ingested; None where there is none."""
    weeks = [name.removeprefix("week=") for name in lake.folders("_control/ingest/")]
    for earlier in sorted((w for w in weeks if w < week), reverse=True):
        manifest = read_manifest(lake, "ingest", earlier)
        if manifest and manifest.drop:
            return manifest.drop.raw_bytes
    return None
