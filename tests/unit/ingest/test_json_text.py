"""Values that no column of raw can hold, as JSON text."""

import datetime as dt
import decimal
import json

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.columns import ev_text
from services.ingest.json_text import row_text

LEAVES = {
    pa.string(): st.text(st.sampled_from('aü😀"\\/\0\x1f\x7f\u2028,{'), max_size=4),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.bool_(): st.booleans(),
    pa.null(): st.none(),
}
NAMES = st.text(st.sampled_from('abBü😀\uffff"\\'), max_size=2)


def nested(inner: st.SearchStrategy[pa.DataType]) -> st.SearchStrategy[pa.DataType]:
    return (
        inner.map(pa.list_)
        | inner.map(pa.large_list)
        | inner.map(lambda kind: pa.list_(kind, 2))
        | inner.map(lambda kind: pa.map_(pa.string(), kind))
        | st.dictionaries(NAMES, inner, min_size=1, max_size=4).map(lambda fields: pa.struct(list(fields.items())))
    )


def values(kind: pa.DataType) -> st.SearchStrategy[object]:
    if pa.types.is_struct(kind):
        return st.none() | st.fixed_dictionaries({field.name: values(field.type) for field in kind})
    if pa.types.is_map(kind):
        return st.none() | st.lists(st.tuples(NAMES, values(kind.item_type)), max_size=4)
    if pa.types.is_fixed_size_list(kind):
        return st.none() | st.lists(values(kind.value_type), min_size=2, max_size=2)
    if pa.types.is_nested(kind):
        return st.none() | st.lists(values(kind.value_type), max_size=4)
    return st.none() | LEAVES[kind]


def told(value: object, kind: pa.DataType) -> object:
    """What the contract says that JSON holds of a nested value."""
    if value is None or not pa.types.is_nested(kind):
        return value
    if pa.types.is_struct(kind):
        return {field.name: told(value[field.name], field.type) for field in kind if value[field.name] is not None}
    if pa.types.is_map(kind):
        return {key: told(item, kind.item_type) for key, item in value}
    return [told(item, kind.value_type) for item in value]


@given(st.data(), nested(st.recursive(st.sampled_from(list(LEAVES)), nested, max_leaves=4)))
def test_nested_values_become_canonical_json(data, kind):
    rows = data.draw(st.lists(values(kind), max_size=5))
    column = pa.StructArray.from_arrays([pa.array(rows, kind)], names=["x"])
    expected = [{} if row is None else {"x": told(row, kind)} for row in rows]
    expected = [orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode() for row in expected]
    assert ev_text(column).to_pylist() == expected
    assert ev_text(column.slice(1)).to_pylist() == expected[1:]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1, 1),
        (2**64 - 1, 2**64 - 1),
        (1.5, 1.5),
        (float("nan"), None),
        (float("inf"), None),
        ("ü\x00", "ü\x00"),
        (b"\xff", {"base64": "/w=="}),
        ([b"a", [None]], [{"base64": "YQ=="}, [None]]),
        ({"b": {"c": b""}}, {"b": {"c": {"base64": ""}}}),
        ([("k", b"v")], [["k", {"base64": "dg=="}]]),
        (decimal.Decimal("1.10"), "1.10"),
        (dt.date(2024, 5, 8), "2024-05-08"),
        (dt.timedelta(seconds=1), "0:00:01"),
    ],
)
def test_any_value_of_a_row_is_written(value, expected):
    assert json.loads(row_text({"x": value})) == {"x": expected}
