"""A drop as it lies in the source: which files, whether it is complete, and what is wrong with it."""

import time
from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from services.contracts import layout
from services.contracts.errors import BadFilesError, Fault, NotReadyError
from services.contracts.source import ExtraColumns, is_source_file, schema_faults
from services.lake.publish import Inputs
from services.lake.store import Store

log = structlog.get_logger()

_BUFFER = 4 * 1024**2
"""Bytes read ahead per column: a ranged GET of this size costs more transfer than latency."""


class SourceFile(NamedTuple):
    """One readable file of a drop."""

    name: str
    key: str
    etag: str
    metadata: pq.FileMetaData
    schema: pa.Schema


class Drop(NamedTuple):
    """The files that take part, and why others do not."""

    files: tuple[SourceFile, ...]
    faults: tuple[Fault, ...]
    extra: ExtraColumns


def list_weeks(source: Store) -> list[str]:
    """The weeks that have a folder in the source, oldest first; other folders are named in the log."""
    folders = source.folders("")
    weeks = [name for name in folders if layout.is_week(name)]
    for name in sorted(set(folders) - set(weeks)):
        log.debug("skipping a folder that is not a date", folder=name)
    return weeks


def list_drop(source: Store, week: str, settle_seconds: int, now: Callable[[], float] = time.time) -> Inputs:
    """The drop's files with their etags; NotReadyError when it is not there, empty, or still arriving."""
    prefix = f"{week}/"
    objects = [o for o in source.objects(prefix) if "/" not in o.key.removeprefix(prefix)]
    if not objects and week not in source.folders(""):
        raise NotReadyError(f"{source.url}/{week}: there is no such drop; check --source and --week, or wait for it")
    taken = [o for o in objects if is_source_file(o.key.removeprefix(prefix))]
    for other in sorted({o.key for o in objects} - {o.key for o in taken}):
        log.info("not a source file", file=other)
    if not taken:
        raise NotReadyError(f"{source.url}/{week}: no file ends in .parquet; the drop has not arrived yet")
    age = now() - max(o.modified for o in taken)
    if age < settle_seconds:
        raise NotReadyError(
            f"{source.url}/{week}: its newest file is {max(age, 0):.0f} s old and the drop may still be arriving; "
            f"run again in {settle_seconds - age:.0f} s (EVENTLOG_SETTLE_SECONDS={settle_seconds})"
        )
    return Inputs(tuple((o.key, o.etag, o.size) for o in taken))


def read_footers(source: Store, inputs: Inputs) -> Drop:
    """Look at every file's footer and columns; faults of all files are collected, none is raised."""
    files, faults = [], []
    for key, etag, size in inputs.objects:
        name = key.rpartition("/")[2]
        try:
            with source.open(key, etag) as handle, parquet_file(handle) as reader:
                found = _claims(name, reader, size) + schema_faults(name, reader.schema_arrow)
                file = SourceFile(name, key, etag, reader.metadata, reader.schema_arrow)
        except UnicodeDecodeError:
            found = [Fault(name, None, "a column's name is not UTF-8")]
        except (OSError, pa.ArrowException) as unreadable:
            found = [Fault(name, None, f"cannot be read as Parquet ({first_line(unreadable)})")]
        if found:
            faults += found
        else:
            files.append(file)
    extra = ExtraColumns({file.name: file.schema for file in files})
    return Drop(tuple(files), (*faults, *extra.faults), extra)


def without_bad_files(drop: Drop, on_bad_file: str) -> Drop:
    """The drop to go on with; BadFilesError where bad files stop the run, or none is left."""
    bad = {fault.file for fault in drop.faults}
    left = tuple(file for file in drop.files if file.name not in bad)
    if bad and (on_bad_file == "stop" or not left):
        raise BadFilesError(drop.faults)
    for fault in drop.faults:
        log.warning("skipping a bad file", file=fault.file, column=fault.column, reason=fault.reason)
    return Drop(left, drop.faults, ExtraColumns({file.name: file.schema for file in left}))


def parquet_file(handle: pa.NativeFile, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
    """A reader that streams row groups, checks page checksums where there are any, and reads no row yet."""
    return pq.ParquetFile(
        handle,
        metadata=metadata,
        buffer_size=_BUFFER,
        pre_buffer=False,
        page_checksum_verification=True,
        arrow_extensions_enabled=False,
    )


def first_line(error: BaseException) -> str:
    """The first line of a library's message, without its stack."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()[:200]


def _claims(name: str, reader: pq.ParquetFile, size: int) -> list[Fault]:
    """A tiny file can claim gigabytes: compare its footer with its size before anything is allocated."""
    metadata = reader.metadata
    groups = [metadata.row_group(g) for g in range(metadata.num_row_groups)]
    claimed = [group.column(c).total_compressed_size for group in groups for c in range(metadata.num_columns)]
    if any(part < 0 for part in claimed) or sum(claimed) > size:
        return [Fault(name, None, f"its footer claims {sum(claimed)} bytes of data, the file has {size}")]
    rows = sum(group.num_rows for group in groups)
    if rows != metadata.num_rows:
        return [Fault(name, None, f"its footer claims {metadata.num_rows} rows, its row groups {rows}")]
    return []
