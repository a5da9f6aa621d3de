"""The sweep over a week's partitions: whole devices, in order, however large and however many files."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.clean.devices import Group, groups_in_order, whole_devices

TAGS = ["T1", "T10", "T2", "t1", "é", "\U0001f4bb"]


def partition(pn, tags, text="x"):
    rows = [f"{pn}-{place}" for place in range(len(tags))]
    file = pa.DictionaryArray.from_arrays(pa.array([0] * len(tags), pa.int32()), [f"{pn}.parquet"])
    return pa.table(
        {
            "service_tag": pa.array(tags, pa.string()),
            "row": rows,
            "ev": [text] * len(tags),
            "source_file": file,
        }
    ).to_struct_array()


def column(rows, name):
    return [row[name] for row in rows.to_pylist()]


def swept(partitions, group_rows, chunk):
    """The sweep over partitions (pn → sorted tags), read in row groups of so many rows."""
    groups = []
    for pn, tags in partitions.items():
        rows = partition(pn, tags)
        for index, start in enumerate(range(0, len(tags), group_rows)):
            part = rows.slice(start, group_rows)
            groups.append((Group(tags[start], pn, index, len(part), part.nbytes, "", "", None), part))
    groups.sort(key=lambda group: group[0][:3])
    return list(whole_devices(groups, chunk))


def assert_whole_devices(steps, partitions):
    """Devices come in order, each in one step; rows of one partition in their order; none is lost."""
    seen = [{tag for rows in step.values() for tag in column(rows, "service_tag")} for step in steps]
    flat = [tag for tags in seen for tag in sorted(tags, key=str.encode)]
    assert flat == sorted({tag for tags in partitions.values() for tag in tags}, key=str.encode)
    for pn, tags in partitions.items():
        rows = [row for step in steps if pn in step for row in column(step[pn], "row")]
        assert rows == [f"{pn}-{place}" for place in range(len(tags))]


def rows_in(step):
    return sum(len(rows) for rows in step.values())


@given(
    st.dictionaries(
        st.sampled_from(["A", "B", "C", "é"]),
        st.lists(st.sampled_from(TAGS), max_size=12).map(lambda t: sorted(t, key=str.encode)),
        max_size=4,
    ),
    st.integers(1, 5),
    st.sampled_from([1, 100, 400, 2**30]),
)
def test_devices_come_whole_and_in_order(partitions, group_rows, chunk):
    partitions = {pn: tags for pn, tags in partitions.items() if tags}
    assert_whole_devices(swept(partitions, group_rows, chunk), partitions)


def test_a_giant_device_comes_whole():
    partitions = {"A": ["T1"] + ["T2"] * 3_000 + ["T3"], "B": ["T2"] * 2_000 + ["T3"]}
    steps = swept(partitions, group_rows=50, chunk=1_000)
    assert_whole_devices(steps, partitions)
    assert [rows_in(step) for step in steps] == [1, 5_000, 2]


def test_little_is_handed_on_at_once_where_devices_are_small():
    partitions = {"A": [f"T{n:04}" for n in range(2_000)], "B": [f"T{n:04}" for n in range(0, 2_000, 2)]}
    steps = swept(partitions, group_rows=20, chunk=1_000)
    assert_whole_devices(steps, partitions)
    assert len(steps) > 20
    assert max(map(rows_in, steps)) < 200


def test_a_row_group_of_each_of_hundreds_of_partitions_is_handed_on_in_steps():
    """Nothing is complete before the last of them is read, and then everything is."""
    partitions = {f"P{n:03}": ["T0", *(f"T{m:02}" for m in range(1, n % 60, 1 + n % 3))] for n in range(250)}
    steps = swept(partitions, group_rows=1000, chunk=8_000)
    assert_whole_devices(steps, partitions)
    assert len(steps) > 10
    assert max(map(rows_in, steps)) < sum(map(len, partitions.values())) / 4


def test_no_groups_are_no_devices():
    assert list(whole_devices([], 1)) == []


class OneFile:
    """A lake that holds one file."""

    def __init__(self, content):
        self._content = content

    def open(self, key, etag):
        assert (key, etag) == ("key", "etag")
        return pa.PythonFile(io.BytesIO(self._content), mode="r")


@pytest.mark.parametrize("with_statistics", [True, False])
@pytest.mark.parametrize("long", ["", "x" * 5_000])
def test_groups_know_their_first_tag_with_and_without_statistics(with_statistics, long):
    tags = [f"{long}{tag}" for tag in ["T1", "T1", "T2", "T3", "é"]]
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"x": range(5), "service_tag": tags}),
        sink,
        row_group_size=2,
        write_statistics=with_statistics,
    )
    metadata = pq.read_metadata(io.BytesIO(sink.getvalue()))
    groups = list(groups_in_order("A", "key", "etag", metadata, OneFile(sink.getvalue())))
    assert [(group.first_tag, group.pn, group.ordinal, group.rows) for group in groups] == [
        (f"{long}T1", "A", 0, 2),
        (f"{long}T2", "A", 1, 2),
        (f"{long}é", "A", 2, 1),
    ]


def test_a_file_without_rows_has_no_groups():
    sink = io.BytesIO()
    pq.write_table(pa.table({"service_tag": pa.array([], pa.string())}), sink)
    metadata = pq.read_metadata(io.BytesIO(sink.getvalue()))
    assert list(groups_in_order("A", "key", "etag", metadata, OneFile(sink.getvalue()))) == []
