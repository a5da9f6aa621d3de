"""Local disk of a run: rows that wait there leave memory, and their files go with the last of them."""

import gc

import pyarrow as pa

from services.lake.scratch import mapped


def test_mapped_rows_are_the_rows_and_their_file_has_no_name(tmp_path):
    kinds = pa.chunked_array([pa.array(["a", None]).dictionary_encode(), pa.array(["b"]).dictionary_encode()])
    rows = pa.table({"kind": kinds, "ev": ["x" * 100, None, "ü"]})
    found = mapped(rows, tmp_path)
    assert found.to_pylist() == rows.to_pylist()
    assert found.slice(1).to_pylist() == rows.slice(1).to_pylist()
    assert not list(tmp_path.iterdir())
    assert mapped(rows.slice(0, 0), tmp_path).to_pylist() == []


def test_mapped_rows_are_not_in_memory(tmp_path):
    gc.collect()
    before = pa.total_allocated_bytes()
    found = mapped(pa.table({"ev": ["x" * 1000] * 10_000}), tmp_path)
    assert len(found) == 10_000
    assert pa.total_allocated_bytes() - before < 1_000_000
