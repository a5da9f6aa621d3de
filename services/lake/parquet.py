"""Parquet as the lake has it: bounded reading, deterministic writing, and an audit of what was written."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.contracts import CONTRACT_VERSION
from services.contracts.errors import LedgerError, TemporaryError
from services.lake.grouping import grouped
from services.lake.hashing_file import HashingFile
from services.lake.local import full_disk_is_temporary
from services.lake.store import Store
from services.lake.take import Take, taking

GROUP_BYTES = 12 * 1024**2
"""Text in a row group: smaller ones compress worse and cost readers and writers a step each, larger ones save
nothing here."""
_ALL_GROUPS = 4 * 1024**3
"""Text in one row group of every partition of a week together: what waits on scratch while clean sweeps over them."""
_ROW_OVERHEAD = 64
"""Bytes that a row counts for beside its text, so that rows without text close row groups too."""
_TEXT = ("ev", "row")
"""The large text columns: no statistics and no dictionary, both would only cost."""
_PLAIN = ("event_key", "ts", "source_row", "eventdate", "valid_timestamp", *_TEXT)
"""Columns whose values hardly repeat: a dictionary would be as large as they are."""
_PAGE_BYTES = 1024 * 1024
"""A page of a column is the least that a reader unpacks; smaller ones take a twelfth longer to write."""
_WRITES_PER_GROUP = 16
"""Every write waits for the interpreter's lock, so pages are gathered; a writer holds what is gathered in memory."""
_OWN_BUFFERS = 0.5
"""A table is copied once less of the buffers that it lies in is its own: what it was cut from stays with it."""
_CACHED_ROWS = 4096
"""Rows of some hundred bytes each that fit in a core's cache together."""
_UNREADABLE = "cannot be read ({}); run it again, and if it stays so, the stage before by --force"


class LocalFile(NamedTuple):
    """A finished Parquet file on local disk."""

    path: Path
    sha256: str
    rows: int
    bytes: int


def group_bytes(partitions: int) -> int:
    """Text in a row group of a week with so many partitions: it depends on the data alone."""
    return min(GROUP_BYTES, _ALL_GROUPS // max(partitions, 1))


class FileWriter:
    """Writes one Parquet file whose bytes depend on the rows and their order alone.

    Row groups close where the text reaches a size, however the rows arrive. The SHA-256 is taken of
    the bytes as they leave the writer, before any disk has seen them.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        *,
        generation: int,
        order: tuple[str, ...],
        group: int = GROUP_BYTES,
        take: Take | None = None,
    ) -> None:
        self._path, self._group, self._take = path, group, take or taking(None)
        stamp = {"eventlog.contract": str(CONTRACT_VERSION), "eventlog.generation": str(generation)}
        self._schema = schema.with_metadata(stamp)
        self._pending: list[_Part] = []
        self._pending_bytes = 0
        self.rows = 0
        with full_disk_is_temporary(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sink = HashingFile(path)
        self._buffer = pa.BufferedOutputStream(pa.PythonFile(self._sink, mode="w"), group // _WRITES_PER_GROUP)
        self._writer = pq.ParquetWriter(self._buffer, self._schema, **_options(self._schema, order))

    def append(self, rows: pa.Table) -> None:
        """Add rows that follow all earlier ones in the file's order."""
        self._add(_Part(rows.to_struct_array(), None, {}), row_bytes(rows))

    def append_in_order(
        self, rows: pa.ChunkedArray, places: np.ndarray, sizes: np.ndarray, columns: Mapping[str, np.ndarray]
    ) -> None:
        """Add the rows (structs) at these places, in this order; `sizes`: their `row_bytes`, `columns`: further ones.

        They are taken where their row group closes, so that a text is copied once on its way. Until then all of
        `rows` is held, which costs no memory where it is memory-mapped.
        """
        self._add(_Part(rows, places, columns), sizes)

    def _add(self, part: "_Part", sizes: np.ndarray) -> None:
        ends = np.cumsum(sizes)
        start = 0
        while start < len(ends):
            done = ends[start - 1] if start else 0
            stop = int(np.searchsorted(ends, done + self._group - self._pending_bytes)) + 1
            some = part.slice(start, stop)
            if stop > len(ends):
                # What is left of a larger table would hold all of it until the row group closes.
                self._pending.append(some.alone(self._take) if start else some)
                self._pending_bytes += int(ends[-1] - done)
                break
            self._pending.append(some)
            self._flush()
            start = stop
        self.rows += len(ends)

    def _flush(self) -> None:
        if not self._pending:
            return
        parts, self._pending, self._pending_bytes = self._pending, [], 0
        rows = table_of(part.rows for part in parts)
        rows = rows.select([name for name in self._schema.names if name in rows.column_names])
        # One chunk: page boundaries would otherwise follow the chunks that the rows came in.
        if parts[0].places is None:
            group = rows.unify_dictionaries().combine_chunks()
        else:
            group = self._take(rows, _places_in_all(parts))
        for name in parts[0].columns:
            group = group.append_column(name, pa.array(np.concatenate([part.columns[name] for part in parts])))
        group = pa.table([_in_form(group[field.name], field.type) for field in self._schema], schema=self._schema)
        with full_disk_is_temporary(self._path):
            self._writer.write_table(group, row_group_size=max(group.num_rows, 1))

    def close(self) -> LocalFile:
        """Finish the file."""
        self._flush()
        with full_disk_is_temporary(self._path):
            self._writer.close()
            self._buffer.close()
        return LocalFile(self._path, self._sink.sha256(), self.rows, self._path.stat().st_size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An abandoned file gets no footer when its writer is collected, and nothing that is still gathered.
        self._writer.is_open = False
        with suppress(OSError):
            self._buffer.close()


def audit(file: LocalFile, schema: pa.Schema) -> None:
    """Read a finished file back as a reader will: footer, schema, counts, every column but the large text.

    The large text is covered by its pages' checksums and by the SHA-256 that the store checks.
    """
    repeated = [field.name for field in schema if pa.types.is_string(field.type) and field.name not in _PLAIN]
    with pq.ParquetFile(file.path, read_dictionary=repeated, page_checksum_verification=True) as reader:
        found = reader.metadata.schema.to_arrow_schema().remove_metadata()
        if not found.equals(schema.remove_metadata()):
            raise LedgerError(f"{file.path.name}: the schema that was written is not the contract's: {found}")
        columns = [name for name in schema.names if name not in _TEXT]
        rows = 0
        try:
            for batch in reader.iter_batches(batch_size=1 << 17, columns=columns, use_threads=False):
                rows += batch.num_rows
                _check_nulls(file, schema, batch)
        except (OSError, pa.ArrowException) as broken:
            raise TemporaryError(f"{file.path.name}: what was written cannot be read back ({broken})") from broken
    if not rows == file.rows == reader.metadata.num_rows:
        raise LedgerError(f"{file.path.name}: {file.rows} rows were written and {rows} read back")


def read_footer(store: Store, key: str, etag: str) -> pq.FileMetaData:
    """The footer of a file; the reader's own exception where there is none that can be read.

    It is read twice: a footer has no checksum, and nothing else shows a byte that flipped on its way.
    """
    readings = [_footer(store, key, etag) for _ in range(2)]
    errors = [reading for reading in readings if isinstance(reading, Exception)]
    if len(errors) == len(readings):
        raise errors[0]
    if errors or not readings[0].equals(readings[1]):
        raise TemporaryError(f"{store.url}: two readings of the footer of {key} differ; run it again")
    return readings[0]


def written_footer(store: Store, key: str, etag: str) -> pq.FileMetaData:
    """The footer of a lake's file; TemporaryError where its bytes are not those that were written."""
    try:
        return read_footer(store, key, etag)
    except (OSError, ValueError, pa.ArrowException) as broken:
        raise TemporaryError(f"the footer of {key} {_UNREADABLE.format(broken)}") from broken


def chunk_of(group: pq.RowGroupMetaData, column: str) -> pq.ColumnChunkMetaData | None:
    """What a footer says of a column in a row group; None where it is not there."""
    chunks = (group.column(place) for place in range(group.num_columns))
    return next((chunk for chunk in chunks if chunk.path_in_schema == column), None)


def groups_together(metadata: pq.FileMetaData, size: int) -> Iterator[tuple[list[int], int, int]]:
    """A file's row groups, consecutive ones together up to a size in bytes; with their rows and bytes."""
    abouts = enumerate(map(metadata.row_group, range(metadata.num_row_groups)))
    for some in grouped(abouts, lambda about: about[1].total_byte_size, size):
        rows, found = sum(about.num_rows for _, about in some), sum(about.total_byte_size for _, about in some)
        yield [group for group, _ in some], rows, found


def _footer(store: Store, key: str, etag: str) -> Any:
    try:
        with store.open(key, etag) as handle:
            return pq.read_metadata(handle)
    except (OSError, ValueError, pa.ArrowException) as broken:
        return broken


def read_group(
    handle: pa.NativeFile, metadata: pq.FileMetaData, index: int, columns: list[str], dictionaries: tuple[str, ...] = ()
) -> pa.Table:
    """One row group of a lake's file, chunk by chunk; TemporaryError where its bytes are not those that were written.

    `dictionaries`: columns that come as dictionaries.
    """
    return pa.Table.from_batches(group_batches(handle, metadata, [index], columns, dictionaries))


def group_batches(
    handle: pa.NativeFile,
    metadata: pq.FileMetaData,
    groups: list[int],
    columns: list[str],
    dictionaries: tuple[str, ...] = (),
) -> Iterator[pa.RecordBatch]:
    """Row groups of a lake's file in batches that stay in the processor's cache: twice as fast as at once."""
    try:
        reader = pq.ParquetFile(
            handle,
            metadata=metadata,
            read_dictionary=dictionaries,
            pre_buffer=False,  # reading ahead in the background would outlive the handle
            page_checksum_verification=True,
        )
        yield from reader.iter_batches(_CACHED_ROWS, row_groups=groups, columns=columns, use_threads=False)
    except (OSError, pa.ArrowException) as broken:
        raise TemporaryError(f"a row group {_UNREADABLE.format(broken)}") from broken


def _options(schema: pa.Schema, order: tuple[str, ...]) -> dict[str, object]:
    """Every choice that decides bytes, pinned."""
    plain = [name for name in _PLAIN if name in schema.names]
    leaves = [pa.field(f.name, f.type) for f in schema]
    return {
        "version": "2.6",
        "data_page_version": "1.0",
        "compression": "zstd",
        "compression_level": 1,  # level 3 gives the same size here and takes a third longer
        "use_dictionary": [_leaf(f) for f in leaves if f.name not in plain],
        "column_encoding": {
            name: "DELTA_BINARY_PACKED" for name in plain if pa.types.is_integer(schema.field(name).type)
        },
        "write_statistics": [_leaf(f) for f in leaves if f.name not in _TEXT],
        "write_page_checksum": True,
        "data_page_size": _PAGE_BYTES,
        "dictionary_pagesize_limit": 1024 * 1024,
        "sorting_columns": pq.SortingColumn.from_ordering(schema, [(name, "ascending") for name in order]),
    }


class _Part(NamedTuple):
    """Rows that wait for their row group to close."""

    rows: pa.ChunkedArray
    """Structs: one small object however many columns, of which thousands may wait."""
    places: np.ndarray | None
    """Which of them, in which order; None: all."""
    columns: Mapping[str, np.ndarray]
    """Further columns of the rows at these places."""

    def slice(self, start: int, stop: int) -> "_Part":
        columns = {name: values[start:stop] for name, values in self.columns.items()}
        if self.places is None:
            return _Part(self.rows.slice(start, stop - start), None, columns)
        return _Part(self.rows, self.places[start:stop], columns)

    def alone(self, take: Take) -> "_Part":
        """Without what it keeps in memory beside it, where that is more than it is itself."""
        if self.places is not None or self.rows.nbytes >= self.rows.get_total_buffer_size() * _OWN_BUFFERS:
            return self
        return self._replace(rows=take(table_of([self.rows]), np.arange(len(self.rows))).to_struct_array())


def _places_in_all(parts: list[_Part]) -> np.ndarray:
    """The places of the parts' rows in the rows of all parts."""
    starts = np.cumsum([0, *(len(part.rows) for part in parts)])
    return np.concatenate([part.places + start for part, start in zip(parts, starts, strict=False)])


def _leaf(field: pa.Field) -> str:
    return str(field.name)


def _in_form(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    """A column in the file's type; a dictionary holds the values in use, sorted, wherever the rows came from."""
    if not (pa.types.is_dictionary(type_) and pa.types.is_dictionary(column.type)):
        return column if column.type == type_ else column.cast(type_)
    encoded = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    indices, mask = encoded.indices, None
    if encoded.null_count:  # a null counts as one more value
        mask = indices.is_null().to_numpy(zero_copy_only=False)
        indices = indices.cast(pa.int32()).fill_null(len(encoded.dictionary))
    codes = indices.to_numpy()
    used = np.zeros(len(encoded.dictionary) + 1, dtype=bool)
    used[codes] = True
    used[-1] = False
    places = np.flatnonzero(used)
    values = encoded.dictionary.take(pa.array(places)).cast(type_.value_type)
    order = pc.sort_indices(values)
    place = np.zeros(len(used), dtype=np.int32)
    place[places[order.to_numpy()]] = np.arange(len(order))
    sorted_codes = pa.array(place[codes], pa.int32(), mask=mask)
    return pa.chunked_array([pa.DictionaryArray.from_arrays(sorted_codes, values.take(order))])


def table_of(parts: Iterable[pa.ChunkedArray]) -> pa.Table:
    """The rows of some structs, one part after the other."""
    return pa.Table.from_struct_array(pa.chunked_array([chunk for part in parts for chunk in part.chunks]))


def row_bytes(rows: pa.Table) -> np.ndarray:
    """int64 per row: the bytes that it counts for where row groups close."""
    total = np.full(rows.num_rows, _ROW_OVERHEAD, dtype=np.int64)
    for name in _TEXT:
        if name in rows.column_names:
            lengths = pc.fill_null(pc.binary_length(rows[name]), 0)
            total += lengths.to_numpy()
    return total


def _check_nulls(file: LocalFile, schema: pa.Schema, batch: pa.RecordBatch) -> None:
    for name in batch.schema.names:
        if not schema.field(name).nullable and batch[name].null_count:
            raise LedgerError(f"{file.path.name}: column {name} holds nulls that the contract does not allow")


def open_file_limit() -> None:
    """Let this process hold a file open for each of 2,000 partitions, where the system allows it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(hard, 8192)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
