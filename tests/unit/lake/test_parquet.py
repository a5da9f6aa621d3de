"""Files of the lake: bytes that depend on the rows alone, groups that close by size, an audit that catches others."""

import hashlib
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.errors import LedgerError, TemporaryError
from services.contracts.tables import CATEGORY, TIMESTAMP
from services.lake.parquet import (
    FileWriter,
    LocalFile,
    _check_nulls,
    audit,
    group_bytes,
    read_group,
    row_bytes,
)

SCHEMA = pa.schema(
    [
        pa.field("service_tag", pa.string(), nullable=False),
        pa.field("valid_timestamp", TIMESTAMP),
        pa.field("kind", CATEGORY),
        pa.field("ev", pa.string()),
        pa.field("source_row", pa.int64(), nullable=False),
    ]
)
WORDS = ["a", "b", "é", None]


def rows_of(texts):
    """One row per text; the other columns follow from its place."""
    return pa.table(
        {
            "service_tag": [f"T{place // 3}" for place in range(len(texts))],
            "valid_timestamp": pa.array([None if place % 5 == 0 else place for place in range(len(texts))], TIMESTAMP),
            "kind": pa.array(
                [WORDS[place % 4] for place in range(len(texts))], CATEGORY.value_type
            ).dictionary_encode(),
            "ev": pa.array(texts, pa.string()),
            "source_row": pa.array(range(len(texts)), pa.int64()),
        }
    )


def write(path, parts, group=400, generation=1):
    """Parts are tables, or pairs of a table and the places of its rows, whose numbers come beside it."""
    writer = FileWriter(path, SCHEMA, generation=generation, order=("service_tag",), group=group)
    with writer:
        for part in parts:
            if isinstance(part, tuple):
                append_in_order(writer, *part)
            else:
                writer.append(part)
        return writer.close()


def append_in_order(writer, rows, places):
    numbers = rows["source_row"].to_numpy()[places]
    structs = rows.drop_columns("source_row").append_column("unwanted", rows["ev"]).to_struct_array()
    writer.append_in_order(structs, places, row_bytes(rows)[places], {"source_row": numbers})


def cut(rows, places):
    edges = [0, *sorted(places), len(rows)]
    return [rows.slice(start, stop - start) for start, stop in pairwise(edges)]


@given(st.lists(st.none() | st.sampled_from(["", "x", "ü" * 40, "y" * 900]), max_size=40), st.data())
def test_the_same_rows_are_the_same_bytes_however_they_come(tmp_path_factory, texts, data):
    folder = tmp_path_factory.mktemp("files")
    rows = rows_of(texts)
    places = data.draw(st.lists(st.integers(0, len(texts)), max_size=6))
    parts = cut(rows, places)
    if data.draw(st.booleans()):  # each part with a dictionary of its own, and strings for dictionaries
        parts = [
            rows_of(texts).slice(0, 0),
            *(pa.Table.from_pylist(part.to_pylist(), rows.schema) for part in parts),
        ]
    if data.draw(st.booleans()):  # each part in another order, with rows that are not wanted
        more = [pa.concat_tables([part, part.slice(0, 1)]) for part in parts]
        orders = [np.array(data.draw(st.permutations(range(len(part)))), dtype=np.int64) for part in more]
        parts = [
            (longer.take(pa.array(order)), np.argsort(order)[: len(part)])
            for part, longer, order in zip(parts, more, orders, strict=True)
        ]
    one, other = write(folder / "one", [rows]), write(folder / "other", parts)
    assert one.sha256 == other.sha256 == hashlib.sha256((folder / "one").read_bytes()).hexdigest()
    assert one.rows == other.rows == len(texts)
    assert one.bytes == (folder / "one").stat().st_size
    audit(one, SCHEMA)
    assert pq.ParquetFile(folder / "one").read().cast(SCHEMA).to_pylist() == rows.to_pylist()


def test_a_dictionary_may_use_all_of_its_short_codes_and_null(tmp_path):
    """Codes of eight bits have no room for one more value."""
    values = pa.array([f"{place:03}" for place in range(127, -1, -1)])
    codes = pa.array([*range(128), None], pa.int8())
    rows = rows_of(["x"] * 129).set_column(2, "kind", pa.DictionaryArray.from_arrays(codes, values))
    file = write(tmp_path / "file", [rows], group=1 << 20)
    assert pq.read_table(file.path)["kind"].to_pylist() == [*values.to_pylist(), None]
    encoded = pq.ParquetFile(file.path, read_dictionary=["kind"]).read()["kind"].chunk(0)
    assert encoded.dictionary.to_pylist() == sorted(values.to_pylist())


def test_row_groups_close_where_the_text_reaches_the_size(tmp_path):
    file = write(tmp_path / "file", [rows_of(["x" * 36] * 10)], group=250)  # a row is 64 + 36 bytes
    metadata = pq.read_metadata(file.path)
    assert [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)] == [3, 3, 3, 1]


def test_a_table_of_several_row_groups_is_not_held_for_what_is_left_of_it(tmp_path):
    writer = FileWriter(tmp_path / "file", SCHEMA, generation=1, order=("service_tag",), group=10_000_000)
    before = pa.total_allocated_bytes()
    with writer:
        writer.append(rows_of(["x" * 10_000] * 2100))
        assert pa.total_allocated_bytes() - before < 4_000_000
        assert writer.close().rows == 2100


def test_thousands_of_slices_that_wait_take_little_memory(tmp_path):
    """The sweep of clean leaves some for each of thousands of products."""
    rows = rows_of(["x" * 100] * 1000).to_struct_array()
    writer = FileWriter(tmp_path / "file", SCHEMA, generation=1, order=("service_tag",), group=1 << 30)
    before = pa.total_allocated_bytes()
    with writer:
        for _ in range(1000):
            some = rows.slice(0, 500)
            writer.append_in_order(some, np.array([499, 0]), np.array([164, 164]), {})
        assert pa.total_allocated_bytes() - before < 100_000
        assert writer.close().rows == 2_000


def test_rows_without_text_close_row_groups_too(tmp_path):
    file = write(tmp_path / "file", [rows_of([None] * 10)], group=256)
    assert pq.read_metadata(file.path).num_row_groups == 3


def test_a_row_larger_than_a_group_is_a_group(tmp_path):
    file = write(tmp_path / "file", [rows_of(["x" * 10_000, "y", "z" * 10_000])], group=100)
    metadata = pq.read_metadata(file.path)
    assert [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)] == [1, 2]


def test_the_generation_and_the_contract_stand_in_the_bytes(tmp_path):
    rows = rows_of(["x"])
    first, second = (write(tmp_path / str(number), [rows], generation=number) for number in (1, 2))
    assert first.sha256 != second.sha256
    assert pq.read_metadata(second.path).metadata[b"eventlog.generation"] == b"2"
    assert pq.read_metadata(second.path).metadata[b"eventlog.contract"] == b"1"


def test_large_text_has_no_statistics_and_the_order_is_declared(tmp_path):
    metadata = pq.read_metadata(write(tmp_path / "file", [rows_of(["x", "y"])]).path)
    group = metadata.row_group(0)
    statistics = {group.column(place).path_in_schema: group.column(place).statistics for place in range(5)}
    assert statistics["ev"] is None
    assert statistics["service_tag"].min == "T0"
    assert [column.column_index for column in group.sorting_columns] == [0]
    assert {group.column(place).compression for place in range(5)} == {"ZSTD"}


@pytest.mark.parametrize(
    ("partitions", "size"),
    [(0, 12 * 2**20), (1, 12 * 2**20), (256, 12 * 2**20), (512, 8 * 2**20), (2_048, 2 * 2**20)],
)
def test_a_week_of_many_partitions_has_smaller_groups(partitions, size):
    assert group_bytes(partitions) == size


# ---- the audit


def claimed(path, content, rows=None, schema=SCHEMA, **how):
    """A file that somebody else wrote, with what its writer says of it."""
    pq.write_table(content.cast(schema) if schema else content, path, **how)
    return LocalFile(path, "", content.num_rows if rows is None else rows, path.stat().st_size)


def test_audit_passes_a_right_file(tmp_path):
    audit(claimed(tmp_path / "file", rows_of(["x"])), SCHEMA)


def test_audit_catches_another_schema(tmp_path):
    with pytest.raises(LedgerError, match="schema"):
        audit(claimed(tmp_path / "file", rows_of(["x"]).drop_columns("kind"), schema=None), SCHEMA)


def test_audit_catches_a_wrong_count(tmp_path):
    with pytest.raises(LedgerError, match="2 rows were written and 1 read back"):
        audit(claimed(tmp_path / "file", rows_of(["x"]), rows=2), SCHEMA)


def test_audit_catches_nulls_where_none_may_be(tmp_path):
    rows = rows_of(["x", "y"]).set_column(0, "service_tag", pa.array(["T1", None]))
    file = LocalFile(tmp_path / "file", "", 2, 0)  # no Parquet writer makes such a file: the check is asked itself
    with pytest.raises(LedgerError, match="service_tag holds nulls"):
        _check_nulls(file, SCHEMA, rows.combine_chunks().to_batches()[0])


@pytest.mark.parametrize("column", ["service_tag", "source_row"])
def test_audit_catches_a_flipped_byte(tmp_path, column):
    file = write(tmp_path / "file", [rows_of([f"text {n}" for n in range(200)])], group=10**6)
    group = pq.read_metadata(file.path).row_group(0)
    (chunk,) = [group.column(place) for place in range(5) if group.column(place).path_in_schema == column]
    content = bytearray(file.path.read_bytes())
    content[(chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size - 3] ^= 0x10
    file.path.write_bytes(content)
    with pytest.raises(TemporaryError, match="cannot be read back"):
        audit(file, SCHEMA)


def test_audit_catches_a_torn_file(tmp_path):
    file = write(tmp_path / "file", [rows_of(["x"])])
    file.path.write_bytes(file.path.read_bytes()[:-20])
    with pytest.raises((TemporaryError, LedgerError, pa.ArrowInvalid, OSError)):
        audit(file, SCHEMA)


def test_an_abandoned_file_is_no_parquet(tmp_path):
    writer = FileWriter(tmp_path / "file", SCHEMA, generation=1, order=("service_tag",), group=100)
    with writer:
        writer.append(rows_of(["x" * 200]))
    with pytest.raises((pa.ArrowInvalid, OSError)):
        pq.read_metadata(tmp_path / "file")


# ---- reading


def test_reading_a_group_gives_its_columns_and_catches_a_flipped_byte(tmp_path):
    file = write(tmp_path / "file", [rows_of([f"text {n}" for n in range(100)])], group=3_000)
    metadata = pq.read_metadata(file.path)
    rows = [read_group(pa.OSFile(str(file.path)), metadata, place, ["ev"]) for place in range(metadata.num_row_groups)]
    assert pa.concat_tables(rows)["ev"].to_pylist() == [f"text {n}" for n in range(100)]
    content = bytearray(file.path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    file.path.write_bytes(content)
    with pytest.raises(TemporaryError, match="--force"):
        [read_group(pa.OSFile(str(file.path)), metadata, place, SCHEMA.names) for place in range(len(rows))]
