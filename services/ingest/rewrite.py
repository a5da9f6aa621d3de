"""Raw and quarantine of a week once more, from themselves, without the devices that were erased since.

The drop may be long gone, so the rows come from what is published; everything else is a run of ingest like any
other: the inputs stay those of the drop, the generation is claimed, the manifest comes last. From the same drop
ingest makes the same bytes, so that the two may even work at one generation at the same time.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from services.contracts import CONTRACT_VERSION, layout
from services.contracts.errors import LedgerError, NotReadyError
from services.contracts.manifest import Drop, Manifest, Output, ledger_gap
from services.contracts.tables import QUARANTINE, RAW
from services.ingest.rows import QUARANTINE_PLAIN
from services.lake.claim import read_claim
from services.lake.device_rows import rows_in_lake, without_devices
from services.lake.erasures import IsErased, drop_of, read_erasures
from services.lake.parquet import FileWriter, LocalFile, audit, group_bytes, read_group, written_footer
from services.lake.publish import Built, Inputs, Job, Outcome, fingerprint, publish, read_manifest
from services.lake.scratch import require_room, scratch
from services.lake.store import ChangedError, Store
from services.runtime.settings import Settings
from services.runtime.stage import StageRun

log = structlog.get_logger()


def rewrite(settings: Settings, lake: Store, week: str) -> Outcome:
    """Leave out of a week what was erased since it was published; unchanged where that is nothing.

    NotReadyError where only ingest can help: the week is unfinished, damaged or of an older contract.
    """
    run = StageRun(settings)
    published = _published(lake, week)
    with scratch(lake, settings.scratch) as folder:

        def build(inputs: Inputs, generation: int, mark: str) -> Built:
            return _Build(settings, lake, _published(lake, week), run, folder / "rewrite", generation).build(
                inputs, mark
            )

        job = Job("ingest", week, published.run.settings, lambda: _inputs(lake, week), build)
        claim, _ = read_claim(lake, layout.claim_key("ingest", week))
        inputs = _inputs(lake, week)
        settled = claim.generation == published.generation
        if settled and published.drop and set(inputs.erased) == set(published.drop.erased):
            return Outcome("unchanged", "holds no device that was erased", published)
        if not settled and claim.fingerprint != fingerprint(job, inputs):
            raise NotReadyError(
                f"week {week}: another run of ingest is at work or did not finish; run ingest for it again"
            )
        return publish(lake, job)


def _published(lake: Store, week: str) -> Manifest:
    manifest = read_manifest(lake, "ingest", week)
    if manifest is None or manifest.drop is None:
        raise NotReadyError(f"week {week}: ingest began and published nothing yet; run ingest for it again")
    if manifest.contract != CONTRACT_VERSION:
        raise NotReadyError(
            f"raw of week {week} was made under contract {manifest.contract}, this is contract {CONTRACT_VERSION}; "
            "re-run ingest"
        )
    return manifest


def _inputs(lake: Store, week: str) -> Inputs:
    """The drop that the week was made from, and what is to be left out of it now."""
    published = _published(lake, week)
    objects = tuple((i.key, i.etag, i.bytes) for i in published.inputs)
    return Inputs(objects, read_erasures(lake).due(week, drop_of(published)))


class _Source(NamedTuple):
    """A published file that is read again."""

    key: str
    etag: str
    left: int
    erased: int
    """Rows that it had when it was published and that it is not to have now."""


class _Build:
    """One attempt to make a week's files on scratch."""

    def __init__(
        self, settings: Settings, lake: Store, published: Manifest, run: StageRun, folder: Path, generation: int
    ) -> None:
        self._settings, self._lake, self._published = settings, lake, published
        self._run, self._folder, self._generation = run, folder, generation

    def build(self, inputs: Inputs, mark: str) -> Built:
        """What is published → audited files without the devices, and the manifest that will name them."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        require_room(self._folder, sum(o.bytes for o in self._published.outputs) * 5 // 4)
        is_erased = read_erasures(self._lake).matcher(inputs.erased)
        with ThreadPoolExecutor(self._settings.workers) as pool:
            with self._run.step("read"):
                sources = list(pool.map(lambda output: self._source(output, is_erased), self._published.outputs))
            full = [s for s in sources if s.left or s.key.startswith("quarantine/")]
            partitions = sum(s.key.startswith("raw/") for s in full)
            with self._run.step("write"):
                made = list(pool.map(lambda source: self._write(source, is_erased, partitions), full))
        files = {source.key: file for source, file in zip(full, made, strict=True)}
        schemas = {s.key: self._schema(s) for s in sources if s.key.startswith("raw/")}
        ledger = self._ledger(sources, files)
        drop = self._drop(files, inputs.erased)

        def empty(key: str) -> LocalFile:
            # A key that an unfinished run of another drop claimed has no file to take the schema from.
            schema = schemas.get(key) or next(iter(schemas.values()), RAW.schema)
            return self._finished(key, schema, iter(()), partitions)

        def manifest(outputs: tuple[Output, ...]) -> Manifest:
            finished = self._run.finish(self._published.run.settings)
            return replace(
                self._published,
                generation=self._generation,
                fingerprint=mark,
                outputs=outputs,
                ledger=ledger,
                run=finished,
                drop=drop,
            )

        return Built(files, empty, manifest)

    def _source(self, output: Output, is_erased: IsErased) -> _Source:
        """The file as it lies there: as it was published, or already without the devices.

        A file of another generation may be another drop's: ChangedError.
        """
        head = self._lake.head(output.key)
        if head is None or (head.etag != output.etag and head.generation != self._generation):
            raise ChangedError(output.key)
        found = rows_in_lake(self._lake, output.key, head.etag, is_erased)
        left = found.rows - found.wanted
        return _Source(output.key, head.etag, left, output.rows - left)

    def _write(self, source: _Source, is_erased: IsErased, partitions: int) -> LocalFile:
        of = partitions if source.key.startswith("raw/") else 1
        return self._finished(source.key, self._schema(source), self._kept(source, is_erased), of)

    def _kept(self, source: _Source, is_erased: IsErased) -> Iterator[pa.Table]:
        footer = written_footer(self._lake, source.key, source.etag)
        names = footer.schema.to_arrow_schema().names
        for group in range(footer.num_row_groups):
            with self._lake.open(source.key, source.etag) as handle:
                rows = read_group(handle, footer, group, names)
            # Ingest hands the writer plain text of refused rows, and a dictionary's order shows in the bytes.
            rows = rows.cast(QUARANTINE_PLAIN) if source.key.startswith("quarantine/") else rows
            yield without_devices(rows, is_erased)

    def _finished(self, key: str, schema: pa.Schema, rows: Iterator[pa.Table], partitions: int) -> LocalFile:
        order = RAW.order if key.startswith("raw/") else QUARANTINE.order
        writer = FileWriter(
            self._folder / key, schema, generation=self._generation, order=order, group=group_bytes(partitions)
        )
        with writer:
            for some in rows:
                writer.append(some)
            file = writer.close()
        audit(file, schema)
        return file

    def _schema(self, source: _Source) -> pa.Schema:
        return written_footer(self._lake, source.key, source.etag).schema.to_arrow_schema().remove_metadata()

    def _ledger(self, sources: list[_Source], files: dict[str, LocalFile]) -> dict[str, int]:
        """Counted anew: rows that were there, rows that were written, rows that were left out."""
        before = self._published.ledger
        raw = sum(file.rows for key, file in files.items() if key.startswith("raw/"))
        quarantined = sum(file.rows for key, file in files.items() if key.startswith("quarantine/"))
        erased = before.get("erased_rows", 0) + sum(source.erased for source in sources)
        gap = ledger_gap(
            {"source rows": before["source_rows"]}, {"raw": raw, "quarantined": quarantined, "erased": erased}
        )
        if gap:
            raise LedgerError(
                f"week {self._published.week}: {gap}; nothing was published, this is a defect of the program"
            )
        return {
            "source_rows": before["source_rows"],
            "raw_rows": raw,
            "quarantined_rows": quarantined,
            "erased_rows": erased,
        }

    def _drop(self, files: dict[str, LocalFile], erased: tuple[str, ...]) -> Drop:
        drop = self._published.drop
        assert drop
        key = layout.quarantine_key(str(self._published.week))
        reasons = Counter(dict.fromkeys(drop.quarantined, 0))
        reasons.update(pq.ParquetFile(files[key].path).read(["reason"])["reason"].to_pylist())
        rows = {layout.partition_of(key).pn: file.rows for key, file in files.items() if key.startswith("raw/")}
        return replace(drop, quarantined=dict(reasons), rows_by_pn=rows, erased=erased)
