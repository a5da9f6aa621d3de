"""Rows in the order in which they are written, in pieces of bounded size."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.clean import gather
from services.clean.gather import gathered, written_order
from services.lake.parquet import row_bytes


def part(name, rows, text="x"):
    file = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [name])
    return pa.table({"source_row": pa.array(range(rows), pa.int64()), "ev": [text] * rows, "source_file": file})


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
    st.sampled_from([1, 60, 2**30]),
    st.floats(0, 1),
)
def test_gathered_is_take_whatever_the_pieces(chunks, random, piece_bytes, share):
    rows = pa.concat_tables([part(f"{place % 2}.parquet", size) for place, size in enumerate(chunks)])
    order = np.array(random.sample(range(len(rows)), int(len(rows) * share)), dtype=np.int64)
    copies = np.arange(len(rows), dtype=np.int32)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gather, "_PIECE_BYTES", piece_bytes)
        patched.setattr(gather, "_AT_ONCE_BYTES", piece_bytes)
        pieces = list(gathered(rows.to_struct_array(), order, row_bytes(rows), copies))
    taken = [pa.Table.from_struct_array(piece.rows).take(pa.array(piece.places)) for piece in pieces]
    assert [row for some in taken for row in some.to_pylist()] == rows.take(pa.array(order)).to_pylist()
    assert all(piece.bytes.tolist() == row_bytes(some).tolist() for piece, some in zip(pieces, taken, strict=True))
    assert [count for piece in pieces for count in piece.copies.tolist()] == copies[order].tolist()


def test_pieces_are_bounded(monkeypatch):
    monkeypatch.setattr(gather, "_PIECE_BYTES", 10_000)
    monkeypatch.setattr(gather, "_AT_ONCE_BYTES", 20_000)
    rows = pa.concat_tables([part("a", 500, "x" * 100), part("b", 500, "x" * 100)])
    structs, copies = rows.to_struct_array(), np.ones(1_000, dtype=np.int32)
    pieces = list(gathered(structs, np.arange(1_000)[::-1], row_bytes(rows), copies))
    assert len(pieces) > 5
    assert max(piece.rows.nbytes for piece in pieces) < 20_000


def test_written_order_is_by_device_and_time_with_nulls_last_and_ties_as_they_came():
    rows = pa.table(
        {
            "service_tag": ["T1", "T1", "T1", "T1", "T1", "T2", "T2", "é"],
            "valid_timestamp": pa.array([5, None, 1, 5, -1, None, 0, 3], pa.timestamp("us", "UTC")),
        }
    )
    kept, pn = np.ones(8, dtype=bool), np.zeros(8, dtype=np.int64)
    assert written_order(rows, pn, kept).tolist() == [4, 2, 0, 3, 1, 6, 5, 7]
    kept[[0, 5, 7]] = False
    assert written_order(rows, pn, kept).tolist() == [4, 2, 3, 1, 6]
    assert written_order(rows, pn, ~kept & kept).tolist() == []


def test_written_order_keeps_the_rows_of_a_pn_together():
    rows = pa.table({"service_tag": ["T1", "T1", "T1"], "valid_timestamp": pa.array([2, 3, 1], pa.timestamp("us"))})
    assert written_order(rows, np.array([0, 1, 1]), np.ones(3, dtype=bool)).tolist() == [0, 2, 1]
