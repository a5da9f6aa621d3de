"""A drop's files as they are found: which can be read, and what is wrong with the others."""

from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from services.contracts.errors import BadFilesError, Fault
from services.contracts.source import ExtraColumns, schema_faults
from services.lake.parquet import chunk_of, read_footer
from services.lake.publish import Inputs
from services.lake.store import Store

log = structlog.get_logger()

_BUFFER = 4 * 1024**2
"""Bytes read ahead per column: a ranged GET of this size costs more transfer than latency."""
_REPEATED_BYTES = 8
"""Bytes of a column for each of its values, up to which most values come from its dictionary."""
_MOST_PACKED = 100_000
"""Unpacked bytes for each byte of a file that no codec reaches on text; a footer that claims more lies."""


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


def read_footers(source: Store, inputs: Inputs) -> Drop:
    """Look at every file's footer and columns; faults of all files are collected, none is raised."""
    files, faults = [], []
    for key, etag, size in inputs.objects:
        name = key.rpartition("/")[2]
        try:
            footer = read_footer(source, key, etag)
            with source.open(key, etag) as handle, parquet_file(handle, footer) as reader:
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
        raise BadFilesError(drop.faults, all_files=not left)
    for fault in drop.faults:
        log.warning("skipping a bad file", file=fault.file, column=fault.column, reason=fault.reason)
    return Drop(left, drop.faults, ExtraColumns({file.name: file.schema for file in left}))


def parquet_file(handle: pa.NativeFile, metadata: pq.FileMetaData) -> pq.ParquetFile:
    """A reader that streams row groups, checks page checksums where there are any, and reads no row yet."""
    return pq.ParquetFile(
        handle,
        metadata=metadata,
        buffer_size=_BUFFER,
        read_dictionary=[name for name in ("service_tag", "pn") if _is_dictionary(metadata, name)],
        pre_buffer=False,
        page_checksum_verification=True,
        arrow_extensions_enabled=False,
    )


def _is_dictionary(metadata: pq.FileMetaData, name: str) -> bool:
    """Whether a column's values come from a dictionary, by the first row group; Arrow would make one of any values."""
    chunk = chunk_of(metadata.row_group(0), name) if metadata.num_row_groups else None
    if chunk is None:
        return False
    return bool(chunk.has_dictionary_page and chunk.total_uncompressed_size <= _REPEATED_BYTES * chunk.num_values)


def first_line(error: BaseException) -> str:
    """The first line of a library's message, without its stack."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()[:200]


def _claims(name: str, reader: pq.ParquetFile, size: int) -> list[Fault]:
    """A tiny file can claim gigabytes: compare its footer with its size before anything is allocated."""
    metadata = reader.metadata
    groups = [metadata.row_group(g) for g in range(metadata.num_row_groups)]
    columns = [[group.column(c) for c in range(metadata.num_columns)] for group in groups]
    packed = [column.total_compressed_size for chunks in columns for column in chunks]
    unpacked = [column.total_uncompressed_size for chunks in columns for column in chunks]
    if any(part < 0 for part in packed + unpacked) or sum(packed) > size:
        return [Fault(name, None, f"its footer claims {sum(packed)} bytes of data, the file has {size}")]
    most = max(sum(unpacked), sum(group.total_byte_size for group in groups))
    if most > size * _MOST_PACKED:
        return [Fault(name, None, f"its footer claims {most} bytes once unpacked, the file has {size}")]
    return _miscounts(name, metadata)


def _miscounts(name: str, metadata: pq.FileMetaData) -> list[Fault]:
    """Rows beyond those that a footer counts would be lost in silence: its numbers have to agree."""
    groups = [metadata.row_group(g) for g in range(metadata.num_row_groups)]
    rows = sum(group.num_rows for group in groups)
    if rows != metadata.num_rows:
        return [Fault(name, None, f"its footer claims {metadata.num_rows} rows, its row groups {rows}")]
    flat = [c for c in range(metadata.num_columns) if not metadata.schema.column(c).max_repetition_level]
    for group in groups:
        values = {group.column(c).num_values for c in flat} - {group.num_rows}
        if values:
            reason = f"its footer claims {group.num_rows} rows in a row group whose columns have {min(values)} values"
            return [Fault(name, None, reason)]
    return []
