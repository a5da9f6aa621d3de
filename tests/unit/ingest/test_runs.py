"""The spill of ingest: whatever the runs, a pn's rows come out by device and then by source identity."""

import os
import re
import sys
import tempfile
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import runs
from services.ingest.runs import OpenRuns, merged, write_run
from services.lake.take import taking
from services.runtime.native import native_kernel

TAKE = taking(native_kernel("auto"))
TAGS = ["T1", "T2", "T10", "t1", "é", "\U0001f4bb", "\uffff"]


def rows_of(file, first_row, tags, pns, text="x"):
    return pa.table(
        {
            "service_tag": pa.array(tags, pa.string()).dictionary_encode(),
            "ev": pa.array([text] * len(tags), pa.string()),
            "source_file": pa.array([file] * len(tags), pa.string()).dictionary_encode(),
            "source_row": pa.array(range(first_row, first_row + len(tags)), pa.int64()),
            "pn": pa.array(pns, pa.string()).dictionary_encode(),
        }
    )


def identities(tables):
    return [
        tuple(found.values())
        for rows in tables
        for found in rows.select(["service_tag", "source_file", "source_row"]).to_pylist()
    ]


def written(parts, folder, **columns):
    """Runs of parts (file, first row, tags, pns), in the order of file and row."""
    tables = [rows_of(*part, **columns) for part in parts]
    paths = [Path(folder, f"{place}.run") for place in range(len(parts))]
    return [write_run(rows, np.arange(len(rows)), path, TAKE) for rows, path in zip(tables, paths, strict=True)]


def merged_by_pn(parts, folder, together=2):
    """Rows by pn, of which so many neighbours are merged together."""
    runs = written(parts, folder)
    pns = sorted({pn for run in runs for pn in run.rows}, key=str.encode)
    shares = [pns[start : start + together] for start in range(0, len(pns), together)]
    opened = OpenRuns(runs)
    return {
        pn: identities(rows for _, rows in pieces)
        for share in shares
        for pn, pieces in groupby(merged(opened, share[0], share[-1], TAKE), key=itemgetter(0))
    }


def expected_by_pn(parts):
    rows = [
        (pn, tag, file, first + at)
        for file, first, tags, pns in parts
        for at, (tag, pn) in enumerate(zip(tags, pns, strict=True))
    ]
    by_pn = {}
    for pn, *identity in sorted(rows, key=lambda row: (row[0].encode(), row[1].encode(), row[2].encode(), row[3])):
        by_pn.setdefault(pn, []).append(tuple(identity))
    return by_pn


def test_rows_of_a_device_keep_the_order_of_file_and_row(tmp_path):
    parts = [
        ("a", 0, ["T2", "T1", "T2"], ["I1", "I1", "I2"]),
        ("a", 3, ["T1"], ["I1"]),
        ("b", 0, ["T2", "T1"], ["I1", "I1"]),
    ]
    assert merged_by_pn(parts, tmp_path) == {
        "I1": [("T1", "a", 1), ("T1", "a", 3), ("T1", "b", 1), ("T2", "a", 0), ("T2", "b", 0)],
        "I2": [("T2", "a", 2)],
    }


@st.composite
def spilled(draw):
    parts, next_row = [], {"a": 0, "b": 0, "ü": 0}
    for file in sorted(draw(st.lists(st.sampled_from(["a", "b", "ü"]), min_size=1, max_size=5))):
        tags = draw(st.lists(st.sampled_from(TAGS), min_size=1, max_size=12))
        pns = draw(st.lists(st.sampled_from(["I1", "I2", "é"]), min_size=len(tags), max_size=len(tags)))
        parts.append((file, next_row[file], tags, pns))
        next_row[file] += len(tags)
    return parts


@given(spilled(), st.sampled_from([1, 150, 600, 2**24]), st.sampled_from([1, 100, 2**20]), st.integers(1, 3))
def test_merge_is_a_stable_sort_whatever_fits_in_a_chunk_or_batch(parts, chunk_bytes, batch_bytes, together):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(runs, "_CHUNK_BYTES", chunk_bytes)
        patched.setattr(runs, "_BATCH_BYTES", batch_bytes)
        assert merged_by_pn(parts, folder, together) == expected_by_pn(parts)


def test_one_device_larger_than_a_chunk_comes_in_pieces_of_a_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_CHUNK_BYTES", 20_000)
    parts = [
        ("a", 0, ["T1"] * 3 + ["T2"] * 900 + ["T3"], ["I1"] * 904),
        ("b", 0, ["T2"] * 900 + ["T4"], ["I1"] * 901),
    ]
    chunks = [rows for _, rows in merged(OpenRuns(written(parts, tmp_path, text="x" * 50)), "I1", "I1", TAKE)]
    assert identities(chunks) == expected_by_pn(parts)["I1"]
    assert max(chunk.num_rows for chunk in chunks) < 600
    assert len(chunks) > 4


def bytes_from_disk():
    return int(re.search(r"^read_bytes: (\d+)$", Path("/proc/self/io").read_text(), re.MULTILINE)[1])


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what was read")
def test_little_more_is_fetched_from_disk_than_what_is_looked_at(tmp_path):
    """Where memory is tight the system drops what was written; to fetch megabytes for each page would never end."""
    (run,) = written([("a", 0, [f"T{tag:05}" for tag in range(40_000)], ["I1"] * 40_000)], tmp_path, text="x" * 1000)
    with run.path.open("rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before = bytes_from_disk()
    (rows,) = OpenRuns([run]).rows_of("I1", "I1")
    assert rows.look(1)
    taken, rows_by_pn = rows.take_below(None)
    assert (taken["ev"].to_pylist(), rows_by_pn) == (["x" * 1000], {"I1": 1})
    assert 0 < bytes_from_disk() - before < 4 * 1024**2


@given(st.integers(1, 2**40).flatmap(lambda most: st.lists(st.integers(0, most), max_size=50)))
def test_codes_are_ordered_by_value_and_then_by_place(codes):
    expected = sorted(range(len(codes)), key=lambda place: (codes[place], place))
    assert runs._stable_order(np.array(codes, dtype=np.int64)).tolist() == expected


def test_nothing_to_merge_is_nothing():
    assert list(merged(OpenRuns([]), "I1", "I2", TAKE)) == []


def test_only_kept_rows_come_into_a_run(tmp_path):
    rows = rows_of("a", 0, ["T2", None, "T1", "T1"], ["I1", "I1", "I2", "I1"])
    run = write_run(rows, np.array([0, 3]), tmp_path / "0.run", TAKE)
    assert run.rows == {"I1": 2}
    opened = OpenRuns([run])
    ((pn, kept),) = merged(opened, "I0", "I3", TAKE)
    assert (pn, identities([kept])) == ("I1", [("T1", "a", 3), ("T2", "a", 0)])
    assert list(merged(opened, "I2", "I3", TAKE)) == []
