"""Batches of a drop's rows: in order, near a size in memory, also where a few large texts stand in many rows."""

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import batches as module
from services.ingest.batches import batches, dictionary_size


def read(path):
    with pa.OSFile(str(path)) as handle, pq.ParquetFile(handle) as reader:
        return list(batches(handle, reader, list(range(reader.metadata.num_row_groups))))


def first_page(path):
    column = pq.read_metadata(path).row_group(0).column(0)
    start = min(offset for offset in (column.dictionary_page_offset, column.data_page_offset) if offset is not None)
    return path.read_bytes()[start:][:64]


def test_batches_stay_near_a_size_in_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BATCH_BYTES", 20_000)
    texts = [f"{n:0500}" for n in range(1_000)]
    pq.write_table(pa.table({"x": texts}), tmp_path / "file", use_dictionary=False)
    found = read(tmp_path / "file")
    assert pa.Table.from_batches(found)["x"].to_pylist() == texts
    assert {batch.num_rows for batch in found[:-1]} == {32}


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_texts_that_are_repeated_count_by_their_size_in_memory(tmp_path, version, nested):
    texts = [letter * 100_000 for letter in "abc"] * 100
    column = pa.array([[text] for text in texts]) if nested else pa.array(texts)
    pq.write_table(pa.table({"x": column}), tmp_path / "file", row_group_size=100, data_page_version=version)
    assert (tmp_path / "file").stat().st_size < 1_000_000
    found = read(tmp_path / "file")
    assert pa.Table.from_batches(found)["x"].to_pylist() == column.to_pylist()
    assert max(batch.num_rows for batch in found) == 64


def test_a_wide_struct_counts_by_the_names_of_its_fields(tmp_path):
    fields = [f"a_field_with_a_long_name_{place}" for place in range(300)]
    column = pa.array([dict.fromkeys(fields, 1)] * 2_000)
    pq.write_table(pa.table({"x": column}), tmp_path / "file")
    assert (tmp_path / "file").stat().st_size < 300_000
    assert {batch.num_rows for batch in read(tmp_path / "file")[:-1]} == {512}


def test_like_groups_are_read_together_and_others_apart(tmp_path):
    narrow, wide = ["x" * 10] * 300, [f"{n}{'y' * 200_000}" for n in range(40)]
    schema = pa.schema({"x": pa.string()})
    with pq.ParquetWriter(tmp_path / "file", schema) as writer:
        for texts in (narrow, narrow, wide, narrow):
            writer.write_table(pa.table({"x": texts}, schema=schema))
    found = read(tmp_path / "file")
    assert pa.Table.from_batches(found)["x"].to_pylist() == narrow + narrow + wide + narrow
    assert [batch.num_rows for batch in found] == [600, 32, 8, 300]


@pytest.mark.parametrize("values", [1, 2, 63, 64, 5_000])
def test_the_size_of_a_dictionary_is_that_of_its_page(tmp_path, values):
    texts = [f"text {n:04}" for n in range(values)]
    pq.write_table(pa.table({"x": texts * 2}), tmp_path / "file")
    assert dictionary_size(first_page(tmp_path / "file")) == (values * (len(texts[0]) + 4), values)


def test_the_size_of_a_dictionary_by_another_writer(tmp_path):
    duckdb.sql(f"COPY (SELECT 'text ' || n % 10 AS x FROM range(1000) t(n)) TO '{tmp_path / 'file'}' (FORMAT parquet)")
    assert dictionary_size(first_page(tmp_path / "file")) == (100, 10)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_page_of_values_is_no_dictionary(tmp_path, version):
    pq.write_table(pa.table({"x": ["a", "b"]}), tmp_path / "file", use_dictionary=False, data_page_version=version)
    assert dictionary_size(first_page(tmp_path / "file")) == (0, 0)


@given(st.binary(max_size=64))
def test_what_is_no_header_is_no_error(header):
    size, _ = dictionary_size(header)
    assert size >= 0
