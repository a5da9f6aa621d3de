"""A drop's row groups in batches that stay near a size in memory, whatever a row weighs."""

from collections.abc import Iterator
from itertools import groupby

import pyarrow as pa
import pyarrow.parquet as pq

_BATCH_BYTES = 8 * 1024**2
_MOST_ROWS, _LEAST_ROWS = 16_384, 16
_HEADER_BYTES = 64
"""More than the numbers at the beginning of a page's header take."""
_FIELD_BYTES = 8
"""Of a field in JSON beside its name: quotes, colon, comma and a short value."""
_TEXTS = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")


def batches(handle: pa.NativeFile, reader: pq.ParquetFile, groups: list[int]) -> Iterator[pa.RecordBatch]:
    """The rows of some row groups of a file, in order; groups of like rows are read together."""

    def rows_at_once(group: int) -> int:
        return _rows_at_once(handle, reader.metadata.row_group(group))

    for rows, alike in groupby(groups, rows_at_once):
        yield from reader.iter_batches(batch_size=rows, row_groups=list(alike), use_threads=False)


def _rows_at_once(handle: pa.NativeFile, group: pq.RowGroupMetaData) -> int:
    """A power of two, so that few groups of a file differ."""
    columns = [group.column(place) for place in range(group.num_columns)]
    size = sum(
        max(column.total_uncompressed_size, _repeated_bytes(handle, column), _nested_bytes(column))
        for column in columns
    )
    fitting = _BATCH_BYTES * max(group.num_rows, 1) // max(size, 1)
    return 1 << min(_MOST_ROWS, max(_LEAST_ROWS, fitting)).bit_length() - 1


def _repeated_bytes(handle: pa.NativeFile, column: pq.ColumnChunkMetaData) -> int:
    """What a column holds where every value comes from its dictionary: a few large ones look small in a footer."""
    if column.physical_type not in _TEXTS:
        return 0
    start = min(offset for offset in (column.dictionary_page_offset, column.data_page_offset) if offset is not None)
    size, values = dictionary_size(handle.read_at(_HEADER_BYTES, start))
    return column.num_values * size // max(values, 1)


def _nested_bytes(column: pq.ColumnChunkMetaData) -> int:
    """What a field of a struct takes as JSON, at least: its name with every value, however well it is packed."""
    name = column.path_in_schema.rpartition(".")[2]
    return column.num_values * (len(name) + _FIELD_BYTES) if name != column.path_in_schema else 0


def dictionary_size(header: bytes) -> tuple[int, int]:
    """Bytes and number of values of a dictionary page, by the beginning of its header; (0, 0) for any other page.

    The header is the PageHeader of parquet-format in Thrift's compact protocol: numbers, then a struct that depends on
    the kind of page. What is no header at all is for the reader of the rows to complain about.
    """
    content = iter(header)
    field, numbers = 0, dict[int, int]()
    for head in content:
        field += head >> 4
        match head & 0xF:
            case 5:  # i32: 1 type, 2 uncompressed_page_size, 3 compressed_page_size, 4 crc
                numbers[field] = _number(content)
            case 12 if field == 7 and next(content, None) == 0x15:  # dictionary_page_header, its first field an i32
                return max(numbers.get(2, 0), 0), _number(content)
            case _:
                break
    return 0, 0


def _number(content: Iterator[int]) -> int:
    """A zigzag varint."""
    value = shift = 0
    for byte in content:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value >> 1 ^ -(value & 1)
