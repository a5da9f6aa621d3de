"""Source columns of every accepted form become what raw has."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from services.ingest.columns import Trimmer, ev_text, eventdate_ns, extra_column, pn_text, text, ts_text

TEN_S = 1_715_162_400
NS = TEN_S * 10**9
LAST = 2**63 - 1


# ---- strings


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.uint16(), pa.large_string()),
    ],
    ids=str,
)
def test_every_form_of_string_is_the_same_text(kind):
    values = [" T1\u3000", "T1", None, "", "T2"]
    column = pa.array(values).cast(kind)
    assert text(column).equals(pa.array(values, pa.string()))
    assert Trimmer()(column).to_pylist() == ["T1", "T1", None, "", "T2"]
    assert Trimmer()(pn_text(column)).to_pylist() == ["T1", "T1", None, "", "T2"]
    assert ts_text(column).equals(pa.array(values, pa.string()))
    assert ev_text(column).equals(pa.array(values, pa.string()))


def test_values_that_trimming_makes_equal_are_one_value():
    assert Trimmer()(pa.array(["A", " A", "A\x85"])).dictionary.to_pylist() == ["A"]


def test_batches_with_one_dictionary_and_with_others_are_trimmed_alike():
    trim = Trimmer()
    values = pa.array(["A", " A", " B"])
    for places in ([0, 1, 2], [2, None], [1]):
        column = pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), values)
        assert trim(column).to_pylist() == [None if place is None else "AAB"[place] for place in places]
    assert trim(pa.array(["C ", "A"])).to_pylist() == ["C", "A"]
    assert trim(column).to_pylist() == ["A"]


@pytest.mark.parametrize("kind", [pa.null(), pa.string(), pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_all_null_columns_stay_null(kind):
    column = pa.nulls(2, kind)
    assert text(column).to_pylist() == ts_text(column).to_pylist() == ev_text(column).to_pylist() == [None, None]
    assert Trimmer()(column).to_pylist() == pn_text(column).to_pylist() == [None, None]
    assert eventdate_ns(column) == (pa.nulls(2, pa.int64()), 0)


@pytest.mark.parametrize("name", ["text", "trimmed", "pn_text", "ts_text", "ev_text"])
def test_slices_and_empty_columns_are_read_as_such(name):
    read = {"text": text, "trimmed": Trimmer(), "pn_text": pn_text, "ts_text": ts_text, "ev_text": ev_text}[name]
    whole = pa.array(["a", None, "b", "c"])
    for column in (whole, whole.dictionary_encode(), whole.cast(pa.string_view())):
        assert read(column.slice(1, 2)).to_pylist() == [None, "b"]
        assert read(column.slice(4)).to_pylist() == []


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [(pa.int8(), -7, "-7"), (pa.uint64(), 2**64 - 1, "18446744073709551615"), (pa.int64(), None, None)],
)
def test_integer_pn_becomes_its_digits(kind, value, expected):
    assert pn_text(pa.array([value], kind)).to_pylist() == [expected]
    assert pn_text(pa.array([value], kind).dictionary_encode()).to_pylist() == [expected]


# ---- ts


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        ("s", TEN_S, "2024-05-08T10:00:00Z"),
        ("ms", TEN_S * 1000 + 120, "2024-05-08T10:00:00.12Z"),
        ("us", TEN_S * 10**6 + 1, "2024-05-08T10:00:00.000001Z"),
        ("ns", NS + 100, "2024-05-08T10:00:00.0000001Z"),
        ("ns", NS + 500_000_000, "2024-05-08T10:00:00.5Z"),
        ("ns", -1, "1969-12-31T23:59:59.999999999Z"),
        ("s", -62_135_596_800, "0001-01-01T00:00:00Z"),
        ("s", 0, "1970-01-01T00:00:00Z"),
        ("us", None, None),
    ],
)
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata", "+05:30"])
def test_timestamps_are_written_in_utc_without_trailing_zeros(unit, value, expected, zone):
    assert ts_text(pa.array([value], pa.timestamp(unit, zone))).to_pylist() == [expected]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()], ids=str)
def test_dates_are_their_midnight(kind):
    column = pa.array([dt.date(2024, 5, 8), None], kind)
    assert ts_text(column).to_pylist() == ["2024-05-08T00:00:00Z", None]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (TEN_S, pa.int32(), "1715162400"),
        (2**64 - 1, pa.uint64(), "18446744073709551615"),
        (float(TEN_S), pa.float64(), "1715162400.0"),
        (1715162400.25, pa.float64(), "1715162400.25"),
        (1e22, pa.float64(), "10000000000000000000000.0"),
        (1e-7, pa.float64(), "0.0000001"),
        (-0.0, pa.float64(), "-0.0"),
        (0.1, pa.float32(), "0.1"),
        (16777216.0, pa.float32(), "16777216.0"),
        (np.float16(0.1), pa.float16(), "0.1"),
        (float("nan"), pa.float64(), None),
        (float("inf"), pa.float64(), None),
        (float("-inf"), pa.float32(), None),
        (None, pa.float64(), None),
    ],
)
def test_numbers_are_written_as_their_shortest_decimal(value, kind, expected):
    assert ts_text(pa.array([value], kind)).to_pylist() == [expected]


# ---- eventdate


@pytest.mark.parametrize(
    ("value", "kind", "expected", "unusable"),
    [
        (NS, pa.int64(), NS, 0),
        (-128, pa.int8(), -128, 0),
        (LAST, pa.uint64(), LAST, 0),
        (LAST + 1, pa.uint64(), None, 1),
        (None, pa.uint64(), None, 0),
        (float(NS), pa.float64(), NS, 0),
        (-(2.0**63), pa.float64(), -(2**63), 0),
        (2.0**63, pa.float64(), None, 1),
        (0.5, pa.float64(), None, 1),
        (float("inf"), pa.float64(), None, 1),
        (float("nan"), pa.float64(), None, 0),
        (np.float16(3.0), pa.float16(), 3, 0),
        (TEN_S, pa.timestamp("s"), NS, 0),
        (TEN_S * 1000 + 1, pa.timestamp("ms", "Asia/Kolkata"), NS + 10**6, 0),
        (-1, pa.timestamp("us"), -1000, 0),
        (LAST // 10**9 + 1, pa.timestamp("s"), None, 1),
        (-(LAST // 10**9) - 1, pa.timestamp("s"), None, 1),
        (-(2**63), pa.timestamp("ns"), -(2**63), 0),
        (str(NS), pa.string(), NS, 0),
        (f"\u3000+{NS}\n", pa.large_string(), NS, 0),
        ("-1", pa.string_view(), -1, 0),
        (str(LAST), pa.string(), LAST, 0),
        (str(LAST + 1), pa.string(), None, 1),
        (str(-LAST - 1), pa.string(), -LAST - 1, 0),
        ("0" * 18 + "7", pa.string(), 7, 0),
        ("0" * 19 + "7", pa.string(), None, 1),
        ("1.0", pa.string(), None, 1),
        ("1e3", pa.string(), None, 1),
        ("1_000", pa.string(), None, 1),
        ("٣", pa.string(), None, 1),
        ("", pa.string(), None, 1),
        ("\x1c1", pa.string(), None, 1),
        (None, pa.string(), None, 0),
    ],
)
def test_eventdate_becomes_nanoseconds_or_is_counted(value, kind, expected, unusable):
    column = pa.array([value], kind)
    assert eventdate_ns(column) == (pa.array([expected], pa.int64()), unusable)


# ---- ev and other columns


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2)], ids=str)
def test_binary_ev_is_its_text(kind):
    column = pa.array([b"{}", None, b"[]"], kind)
    assert ev_text(column).to_pylist() == ["{}", None, "[]"]
    assert ev_text(column.slice(1)).to_pylist() == [None, "[]"]


def test_struct_ev_is_canonical_json_without_null_fields():
    kind = pa.struct(
        [
            ("b", pa.int64()),
            ("a", pa.struct([("z", pa.timestamp("ms")), ("y", pa.string())])),
            ("l", pa.list_(pa.struct([("d", pa.date32()), ("n", pa.null())]))),
            ("f", pa.float64()),
        ]
    )
    rows = [
        {"b": 1, "a": {"z": TEN_S * 1000 + 500, "y": "ü"}, "l": [{"d": dt.date(2024, 5, 8)}, None], "f": 1.0},
        {"b": None, "a": {"z": None, "y": None}, "l": [], "f": float("nan")},
        None,
        {"b": None, "a": None, "l": None, "f": None},
    ]
    column = pa.array(rows, kind)
    expected = [
        '{"a":{"y":"ü","z":"2024-05-08T10:00:00.5Z"},"b":1,"f":1.0,"l":[{"d":"2024-05-08T00:00:00Z"},null]}',
        '{"a":{},"f":null,"l":[]}',
        None,
        "{}",
    ]
    assert ev_text(column).to_pylist() == expected
    assert ev_text(column.slice(1)).to_pylist() == expected[1:]


def test_map_ev_is_an_object_and_the_last_of_equal_keys_wins():
    column = pa.array([[("b", 1), ("a", 2), ("b", 3)], [], None, [("x", None)]], pa.map_(pa.string(), pa.int64()))
    assert ev_text(column).to_pylist() == ['{"a":2,"b":3}', "{}", None, '{"x":null}']
    assert ev_text(column.slice(3)).to_pylist() == ['{"x":null}']


def test_a_time_beyond_all_calendars_is_none():
    assert ts_text(pa.array([LAST, -LAST, 0], pa.timestamp("us"))).to_pylist() == [None, None, "1970-01-01T00:00:00Z"]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, None], pa.int8(), ["1", None]),
        ([1.5, float("nan")], pa.float64(), ["1.5", "null"]),
        ([True, None], pa.bool_(), ["true", None]),
        (["a", ""], pa.string(), ["a", ""]),
        ([b"\xff", None], pa.binary(), ['{"base64":"/w=="}', None]),
        ([TEN_S, None], pa.timestamp("s"), ['"2024-05-08T10:00:00Z"', None]),
        ([[1, None], None], pa.list_(pa.int8()), ["[1,null]", None]),
        ([[1, None], None], pa.list_(pa.int8(), 2), ["[1,null]", None]),
        ([[1, None], None, []], pa.large_list_view(pa.int8()), ["[1,null]", None, "[]"]),
        ([1, None], pa.duration("ns"), ["1", None]),
        ([1, None], pa.time64("ns"), ['"00:00:00.000000001"', None]),
        ([None, None], pa.null(), [None, None]),
    ],
)
def test_columns_of_disagreeing_types_become_json_text(values, kind, expected):
    column = pa.array(values, kind)
    assert extra_column(column, pa.string(), as_json=True).to_pylist() == expected


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([1, None], pa.int8()), pa.int8()),
        (pa.array(["a", None], pa.string_view()), pa.string()),
        (pa.array(["a", None]).dictionary_encode(), pa.string()),
        (pa.array([["a"], None], pa.list_(pa.string_view())), pa.list_(pa.string())),
        (pa.array([["a"], None], pa.large_list(pa.string_view())), pa.large_list(pa.string())),
        (pa.array([["a"], None], pa.list_(pa.string_view(), 1)), pa.list_(pa.string(), 1)),
        (pa.array([["a"], None, [], ["b", None]], pa.list_view(pa.string())), pa.list_(pa.string())),
        (pa.array([["a"], None, ["b"]], pa.large_list_view(pa.string_view())).slice(1), pa.large_list(pa.string())),
        (pa.array([[("a", "b")], None], pa.map_(pa.string_view(), pa.string())), pa.map_(pa.string(), pa.string())),
        (pa.nulls(2), pa.int64()),
        (pa.nulls(2), pa.struct([("a", pa.int64())])),
        (pa.nulls(2), pa.list_(pa.int64(), 2)),
    ],
)
def test_columns_of_one_type_stay_as_they_are(column, kind):
    kept = extra_column(column, kind, as_json=False)
    assert kept.type == kind
    assert kept.to_pylist() == column.to_pylist()
