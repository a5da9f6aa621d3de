"""Rows in another order: the same with and without the native kernel, however many batches they come in."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.lake.take import taking
from services.runtime.native import native_kernel

native = native_kernel("auto")
with_native = pytest.mark.skipif(native is None, reason="the native kernel is not built (`make setup` with cargo)")
KERNELS = [None, pytest.param(native, marks=with_native)]

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=6)


def table(texts):
    return pa.table(
        {
            "ev": pa.array(texts, pa.string()),
            "key": pa.array(texts[::-1], pa.string()),
            "file": pa.array(texts, pa.string()).dictionary_encode(),
            "row": pa.array(range(len(texts)), pa.int64()),
        }
    )


@st.composite
def rows_and_places(draw):
    chunks = [table(texts).slice(draw(st.integers(0, 2))) for texts in draw(st.lists(TEXTS, min_size=1, max_size=5))]
    rows = pa.concat_tables(chunks)
    places = draw(st.lists(st.integers(0, len(rows) - 1), max_size=20)) if len(rows) else []
    return rows, np.array(places, dtype=np.int64)


@pytest.mark.parametrize("kernel", KERNELS)
@given(drawn=rows_and_places())
def test_both_take_the_rows_at_the_places(kernel, drawn):
    rows, places = drawn
    taken = taking(kernel)(rows, places)
    taken.validate(full=True)
    assert taken.to_pylist() == [rows.slice(place, 1).to_pylist()[0] for place in places.tolist()]
    assert all(column.num_chunks == 1 for column in taken.columns)


@pytest.mark.parametrize("kernel", KERNELS)
def test_columns_that_are_cut_differently_stay_together(kernel):
    halves = pa.chunked_array([["a", "b"], ["c"]])
    rows = pa.table({"ev": halves, "key": pa.chunked_array([["1"], ["2", "3"]])})
    assert taking(kernel)(rows, np.array([2, 0, 1])).to_pydict() == {"ev": ["c", "a", "b"], "key": ["3", "1", "2"]}


def batch(column):
    return pa.record_batch({"ev": column})


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_string_that_is_not_utf8_is_taken_as_it_is(kernel):
    rows = pa.table({"ev": pa.array([b"\xff", b"ok"]).view(pa.string())})
    assert taking(kernel)(rows, np.array([1, 0]))["ev"].cast(pa.binary()).to_pylist() == [b"ok", b"\xff"]


@with_native
@pytest.mark.parametrize("place", [-1, 2, 2**40])
def test_a_place_that_is_not_there_is_an_error(place):
    with pytest.raises(RuntimeError, match=f"there is no place {place}"):
        native.take_strings([batch(pa.array(["a"])), batch(pa.array(["b"]))], pa.array([0, place]))


@with_native
@pytest.mark.parametrize(
    ("column", "places", "wanted"),
    [(pa.array([1]), pa.array([0]), "string"), (pa.array(["a"]), pa.array(["0"]), "int64")],
)
def test_other_types_are_an_error(column, places, wanted):
    with pytest.raises(ValueError, match=f"expected {wanted}"):
        native.take_strings([batch(column)], places)


@pytest.mark.parametrize(
    ("kernel", "error", "message"),
    [
        (None, pa.ArrowInvalid, "too large"),
        pytest.param(native, RuntimeError, "[Oo]verflow", marks=with_native),
    ],
)
def test_more_text_than_a_string_column_holds_is_an_error(kernel, error, message):
    with pytest.raises(error, match=message):
        taking(kernel)(pa.table({"ev": pa.array(["x" * 2**20])}), np.zeros(2049, dtype=np.int64))
