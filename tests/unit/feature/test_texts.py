"""The texts of errors come back in any order, however they came and in whatever pieces they leave."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feature import texts
from services.feature.texts import Texts

TEXT = st.one_of(st.none(), st.text(max_size=9))


@given(
    st.lists(st.lists(TEXT, max_size=6), max_size=6),
    st.randoms(use_true_random=False),
    st.integers(1, 4),
    st.sampled_from([1, 10, 2**24]),
)
def test_each_row_gets_its_text_back(columns, random, tables, piece_bytes):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(texts, "_PIECE_BYTES", piece_bytes)
        kept = Texts(Path(folder, "texts.arrow"))
        places = [
            place for column in columns for place in kept.add(pa.chunked_array([column], pa.string())).to_pylist()
        ]
        expected = dict(zip(places, (text for column in columns for text in column), strict=True))
        random.shuffle(places)
        rows = [pa.table({"place": pa.array(part, pa.int64())}) for part in np.array_split(places, tables)]
        pieces = list(kept.joined(iter(rows)))
    found = [row["ev"] for piece in pieces for row in piece.to_pylist()]
    assert found == [expected[place] for place in places]
    sizes = [[len((row["ev"] or "").encode()) for row in piece.to_pylist()] for piece in pieces]
    assert all(len(size) == 1 or sum(size) <= piece_bytes for size in sizes)
