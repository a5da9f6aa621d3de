"""Building blocks of drops as nasty as the field, and Hypothesis strategies that put them together.

Values come from small pools, so that devices, events and ties meet; forms come from everything the contract accepts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from tests.drops import Files, broken, table

Cells = st.SearchStrategy[Any]

BLANKS = ("", " ", "\u3000\t", "\x85", "\u2028\u00a0")
NEARLY_BLANK = ("\x1c", "\u200b", "\x00", "\ufeff", "\u180e")

TAGS = (
    "T1",
    "T1",
    "T1",
    " T1",
    "T1\u3000",
    "T2",
    "t2",
    "Ä-3",
    "\U0001f4bb",
    "T 4",
    "\x1cT1",
    "\ufb00",
    "T1\x00",
)
PNS = (
    *(
        "I13",
        "I13",
        "I14",
        "UNKNOWN",
        " I13\n",
        "i13",
        "007",
        "a/b",
        "x=y %",
        "Ünï",
        "\U0001f4bb",
        "~.-_",
        "é" * 33,
    ),
    *("..", ".", "a\x01b", "\x9f", "é" * 34, "p" * 201, "I13\x00"),
)
CATS = (
    *(
        "Error",
        "error",
        " ERROR\t",
        "Critical",
        "CRITICAL\u3000",
        "warning",
        "WARN\u0131NG",
        "Info",
        "",
        "erro\u0440",
    ),
    *("Error\x1c", "fatal", "\ufb00"),
)

TIMES = (
    *(
        "2024-05-08T10:00:00Z",
        "2024-05-08 10:00:00.000001",
        "2024-05-08T12:00:00+02:00",
        "20240508T100000,9999999Z",
    ),
    *(
        "2024-05-08",
        "2024-05-08T10:00",
        "2024-05-08t10:00:00 -05",
        "2024-05-08T10:00:00.1234567890",
        "20240508",
    ),
    *(
        "5/8/2024",
        "5/8/2024 10:00:00 AM",
        "05/08/2024, 10:00\u202fam",
        "13/1/2024",
        "2024/5/8 10:00:00.5",
        "12/31/2023 12:00 AM",
    ),
    *("1715162400", "1715162400000", "+1715162400000000", "1715162400000000000", "-1", "9223372036854775808"),
    *("1715162400.0000005", "1715162400000.5", "1e9", "1715162400.", ".5", "99999999999999999999.0"),
    *(
        "/Date(1715162400000)/",
        "/Date(1715162400000+0530)/",
        "/Date(-1)/",
        "20240508100000.123456+480",
        "20240508100000.123456-000",
    ),
    *(
        "1970-01-01T00:00:00Z",
        "2099-01-01",
        "1601-01-01T00:00:00Z",
        "2023-04-06",
        "2023-04-05T23:59:59.999999Z",
        "2024-05-18",
    ),
    *(
        "2024-05-18T00:00:00.000001Z",
        "2024-02-30",
        "2024-05-08T24:00:00",
        "2024-W19-3",
        "yesterday",
        "null",
        "\u0662\u0660\u0662\u0664-05-08",
    ),
    *BLANKS,
    *NEARLY_BLANK,
)
JSON_TIMES = (
    *TIMES,
    *(
        1715162400,
        1715162400000,
        1715162400000000,
        1715162400000000000,
        0,
        -1,
        2**63,
        2**64,
        10**11,
        10**14,
        10**17,
    ),
    *(1715162400.5, 1715162400.0000005, 1715162400000.4999, 1e300, -0.0, 2.0**63),
    *(None, True, False, [], {}, ["2024-05-08"], {"a": 1}),
)
EVENT_IDS = (
    7,
    "7",
    7.0,
    "E-7",
    "E-8",
    "",
    " ",
    None,
    0,
    False,
    [],
    [1, {"b": 2, "a": 1}],
    {"y": 1, "x": "ü"},
    2**63,
    10**30,
)
MESSAGES = (
    "disk",
    "disk ",
    "\u00fc",
    "\x00",
    "\U0001f4bb",
    1,
    1.0,
    -0.0,
    1e400,
    None,
    [],
    {"b": 1, "a": [{"d": 1, "c": None}]},
    2**64,
)

NOT_EVENTS = (
    *(
        "",
        " ",
        "x",
        "null",
        "1",
        "[]",
        '"a"',
        '"{\\"TimeStamp\\": 1}"',
        "{",
        "{}",
        "{} ",
        "\ufeff{}",
        '{"TimeStamp": "2024-05-08",}',
    ),
    *(
        '{"TimeStamp": NaN}',
        '{"a": 1e400}',
        '{"a": "\\ud800"}',
        '{"a": 1} x',
        "{'a': 1}",
        '{"EventId": 7, "EventId": 8}',
    ),
    *(
        '{"TimeStamp": "x", "TimeStamp": "2024-05-08"}',
        '{"a":' * 100 + "1" + "}" * 100,
        '{"a":' * 101 + "1" + "}" * 101,
    ),
    *(
        "[" * 101,
        "]" * 200 + "[" * 100,
        '{"a": "' + "[" * 200 + '"}',
        '{"a": "\\"' + "{" * 101 + '"}',
        "{" + "[" * 100,
    ),
    *(
        '{"a": ' + "9" * 5000 + ', "TimeStamp": "2024-05-08"}',
        '{"TimeStamp": "2024-05-08", "a": "' + "x" * 1_048_600 + '"}',
    ),
    *(
        '{"\\u0054imeStamp": "2024-05-08"}',
        '{"a":"\\u0000"}',
        '\t{ "EventId" :\n7 }\r',
        '{"EventId": 12345678901234567890123}',
    ),
)
NOT_TEXT = (b"\xff", b'{"TimeStamp": "2024-05-08", "a": "\xc3"}', b"\xed\xa0\x80", b"T1\xc0\x80")

INT64 = st.integers(-(2**63), 2**63 - 1)
NS = 1_715_162_400_000_000_000


def maybe(values: Cells, chance: int = 6) -> Cells:
    """None once in so many times."""
    return st.integers(1, chance).flatmap(lambda drawn: st.none() if drawn == 1 else values)


# ---- events


@st.composite
def resends(draw: st.DrawFn) -> str:
    """JSON of one of a few events, as devices send it again: other volatile fields, another order of keys."""
    fields = draw(
        st.sampled_from(
            [
                {"TimeStamp": "2024-05-08T10:00:00Z", "EventId": 7, "Msg": {"b": 1, "a": 2}},
                {"TimeStamp": "2024-05-08T10:00:00Z", "EventId": 7, "Msg": {"b": 1, "a": 2.0}},
                {"TimeStamp": "nonsense", "LogTime": "2024-05-08T10:00:00Z"},
                {"EventId": "E-7", "LogTime": "2024-05-08T10:00:00Z", "Msg": 1},
                {"EventId": "E-7", "LogTime": "2024-05-08T10:00:00Z", "Msg": 2},
            ]
        )
    )
    times = st.sampled_from(["2024-05-08T10:00:00Z", "2024-05-08T09:59:59Z", 1715162400, None])
    volatile = {"LogTime": times, "SeqNo": st.integers(0, 1), "UploadTime": times, "BatchId": st.just("b")}
    changed = {name: draw(value) for name, value in volatile.items() if draw(st.booleans())}
    shuffled = draw(st.permutations(sorted({**fields, **changed}.items(), key=lambda item: item[0])))
    return json.dumps(dict(shuffled))


@st.composite
def events(draw: st.DrawFn) -> str:
    """JSON of an event; the same few contents under other volatile fields, key orders and white space."""
    match draw(st.integers(0, 9)):
        case 0 | 1:
            return draw(st.sampled_from(NOT_EVENTS))
        case 2 | 3 | 4 | 5:
            return draw(resends())
    pools = {
        "TimeStamp": JSON_TIMES,
        "LogTime": JSON_TIMES,
        "EventId": EVENT_IDS,
        "Msg": MESSAGES,
        "SeqNo": (1, 2, "3"),
        "UploadTime": ("2024-05-09", 5),
        "BatchId": ("b", None),
        "ts": ("2024-05-08",),
        "é": (1,),
        "Z": ({"LogTime": 1},),
    }
    names = draw(
        st.lists(st.sampled_from([*pools, "TimeStamp", "TimeStamp", "EventId", "Msg"]), unique=True, max_size=5)
    )
    # A few values are drawn far more often than the others: only equal events are re-sends.
    fields = {name: draw(st.sampled_from(pools[name][:2]) | st.sampled_from(pools[name])) for name in names}
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:")]))
    text = json.dumps(fields, ensure_ascii=draw(st.booleans()), separators=separators)
    return text.replace("Infinity", "1e400")


# ---- columns: each takes a number of rows and gives an Arrow array in one of the accepted forms


def _column(values: Cells, kind: pa.DataType) -> Callable[[int], Cells]:
    return lambda rows: st.lists(values, min_size=rows, max_size=rows).map(lambda cells: pa.array(cells, kind))


def _texts(values: Cells) -> Callable[[int], Cells]:
    """Every form of string, sometimes with bytes that are none."""

    def of_length(rows: int) -> Cells:
        as_text = st.lists(values, min_size=rows, max_size=rows)
        forms = [
            as_text.map(lambda cells, kind=kind: pa.array(cells, kind))
            for kind in (pa.string(), pa.string(), pa.string(), pa.large_string(), pa.string_view())
        ]
        forms.append(as_text.map(lambda cells: pa.array(cells, pa.string()).dictionary_encode()))
        if not rows:
            return st.one_of(forms)
        spoilt = st.tuples(as_text, st.integers(0, rows - 1), st.sampled_from(NOT_TEXT)).map(_spoilt)
        return st.one_of(*forms, *forms, spoilt)

    return of_length


def _spoilt(parts: tuple[list[str | None], int, bytes]) -> pa.Array:
    cells, place, content = parts
    return broken(
        *(content if at == place else None if cell is None else cell.encode() for at, cell in enumerate(cells))
    )


def _nulls(rows: int) -> Cells:
    return st.just(pa.nulls(rows))


_MOMENTS = st.sampled_from([NS, NS + 1, NS + 500_000_000, 0, -1, 4_070_908_800 * 10**9])


def _stamps(unit: str, zone: str | None) -> Callable[[int], Cells]:
    scale = {"ms": 10**6, "us": 10**3, "ns": 1}[unit]
    # Years 0001 to 9999: beyond, nobody has said how a year is written.
    lowest, highest = -62_135_596_800 * 10**9, 253_402_300_799 * 10**9
    in_range = st.integers(lowest // scale, highest // scale) if unit != "ns" else st.integers(1 - 2**63, 2**63 - 1)
    return _column(maybe(_MOMENTS.map(lambda ns: ns // scale) | in_range), pa.timestamp(unit, zone))


def _floats(kind: pa.DataType, *values: float) -> Callable[[int], Cells]:
    import numpy as np

    width = {16: np.float16, 32: np.float32, 64: np.float64}[kind.bit_width]
    nasty = st.sampled_from([float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1.5, 0.1, *values])
    floats = nasty | st.floats(width=kind.bit_width)
    return lambda rows: st.lists(maybe(floats), min_size=rows, max_size=rows).map(
        lambda cells: pa.array([None if c is None else width(c) for c in cells], kind)
    )


_STRUCTS = (
    {"TimeStamp": 1_715_162_400_000, "EventId": 7, "Inner": {"b": 1.5, "a": None}, "List": [1, None]},
    {"TimeStamp": None, "EventId": None, "Inner": None, "List": None},
    {"TimeStamp": 1_715_162_400_001, "EventId": 8, "Inner": {"b": 1.0, "a": "ü"}, "List": []},
    None,
)
_STRUCT = pa.struct(
    [
        ("TimeStamp", pa.timestamp("ms")),
        ("EventId", pa.int32()),
        ("Inner", pa.struct([("b", pa.float64()), ("a", pa.string())])),
        ("List", pa.list_(pa.int16())),
    ]
)
_MAPS = ([("TimeStamp", "2024-05-08"), ("EventId", "7")], [("EventId", "7"), ("EventId", None)], [], None)

SERVICE_TAG = (_texts(maybe(st.sampled_from(TAGS + BLANKS[:2]), 12)),)
CAT = (_texts(maybe(st.sampled_from(CATS))), _texts(maybe(st.sampled_from(CATS))), _nulls)
PN = (
    _texts(maybe(st.sampled_from(PNS[:6]) | st.sampled_from(PNS + BLANKS))),
    _texts(maybe(st.sampled_from(PNS[:6]))),
    _texts(maybe(st.sampled_from(PNS[:6]))),
    _column(maybe(st.sampled_from([13, -7, 2**31 - 1])), pa.int32()),
    _column(maybe(st.sampled_from([13, 2**64 - 1])), pa.uint64()),
    _nulls,
)
EV = (
    _texts(maybe(events())),
    _texts(maybe(events())),
    _texts(maybe(events())),
    _column(maybe(events().map(str.encode) | st.sampled_from(NOT_TEXT)), pa.binary()),
    _column(maybe(events().map(str.encode)), pa.large_binary()),
    _column(st.sampled_from(_STRUCTS), _STRUCT),
    _column(st.sampled_from(_MAPS), pa.map_(pa.string(), pa.string())),
    _nulls,
)
TS = (
    _texts(maybe(st.sampled_from(TIMES))),
    _texts(maybe(st.sampled_from(TIMES))),
    _stamps("ms", None),
    _stamps("us", "UTC"),
    _stamps("ns", "Asia/Kolkata"),
    _column(maybe(st.sampled_from([19_851, 0, -719_162, 2_932_896])), pa.date32()),
    _column(maybe(st.sampled_from([1_715_162_400, 1_715_162_400_000]) | INT64), pa.int64()),
    _column(maybe(st.sampled_from([1_715_162_400, 2**64 - 1])), pa.uint64()),
    _floats(pa.float64(), 1_715_162_400.25, 1_715_162_400_000.0, 1e22, 5e-324),
    _floats(pa.float32(), 1_715_162_400.0),
    _floats(pa.float16()),
    _nulls,
)
EVENTDATE = (
    _column(maybe(st.sampled_from([NS, NS - 1, 0]) | INT64), pa.int64()),
    _column(maybe(st.sampled_from([NS, NS - 1, 0]) | INT64), pa.int64()),
    _column(maybe(st.sampled_from([NS, 2**63, 2**64 - 1])), pa.uint64()),
    _column(maybe(st.integers(-128, 127)), pa.int8()),
    _floats(pa.float64(), float(NS), 9.3e18, -(2.0**63), 2.0**63),
    _texts(
        maybe(st.sampled_from([str(NS), f" +{NS}\u3000", "-1", "1.0", "x", "9" * 19, "9" * 20, "٣", "", *NEARLY_BLANK]))
    ),
    _stamps("ms", None),
    _stamps("ns", "UTC"),
    _nulls,
)
REGION = (
    _texts(maybe(st.sampled_from(["EU", "ü", ""]))),
    _column(maybe(st.integers(-5, 5)), pa.int16()),
    _column(maybe(st.sampled_from([1.5, float("nan")])), pa.float64()),
    _column(maybe(st.sampled_from([b"\xff", b"a"])), pa.binary()),
    _column(st.sampled_from(_STRUCTS), _STRUCT),
    _column(maybe(st.booleans()), pa.bool_()),
    _column(maybe(st.sampled_from([[], [1, None]])), pa.list_(pa.int8())),
    _column(maybe(st.sampled_from([["a", None], []])), pa.list_(pa.string_view())),
    _column(maybe(st.sampled_from([{"v": "ü"}, {"v": None}])), pa.struct([("v", pa.string_view())])),
    _nulls,
)

_COLUMNS = {"service_tag": SERVICE_TAG, "cat": CAT, "ev": EV, "pn": PN, "ts": TS, "eventdate": EVENTDATE}
_EXTRA = {"Region": REGION, "Week": REGION, "source_row": REGION}


@st.composite
def source_files(draw: st.DrawFn, most_rows: int = 10) -> pa.Table:
    """A file of the drop: the columns in any order, each in any form that the contract accepts."""
    rows = draw(st.integers(0, most_rows))
    optional = draw(st.sets(st.sampled_from(["pn", "ts", "eventdate"]), max_size=1))
    extra = draw(st.sets(st.sampled_from([*_EXTRA]), max_size=2)) if draw(st.booleans()) else set()
    names = draw(st.permutations([name for name in _COLUMNS if name not in optional] + sorted(extra)))
    forms = {**_COLUMNS, **_EXTRA}
    return pa.table({name: draw(draw(st.sampled_from(forms[name]))(rows)) for name in names})


@st.composite
def drops(draw: st.DrawFn) -> Files:
    """A week's drop of one to three files, whose names are not in the order of their making."""
    names = draw(
        st.lists(
            st.sampled_from(["b.parquet", "a.parquet", "ü.parquet", "B 1.parquet"]),
            unique=True,
            min_size=1,
            max_size=3,
        )
    )
    return {name: draw(source_files()) for name in names}


@st.composite
def crowded_drops(draw: st.DrawFn) -> Files:
    """A drop of few devices and few events, sent again and again: every tie between re-sends comes up."""
    rows = st.fixed_dictionaries(
        {
            "service_tag": st.sampled_from(["T1", "T1", " T1", "T2"]),
            "pn": st.sampled_from(["I13", "I13", "I14", "UNKNOWN", None]),
            "cat": st.sampled_from(["Error", "Critical", "Warning", "Info", None]),
            "ev": resends(),
            "ts": st.sampled_from([None, "2024-05-08T10:00:00Z", "2024-05-08 10:00:01", "2099-01-01"]),
            "eventdate": st.sampled_from([None, NS, NS + 1, 0]),
        }
    )
    names = draw(st.sampled_from([["a.parquet"], ["b.parquet", "a.parquet"]]))
    return {name: table(*draw(st.lists(rows, min_size=1, max_size=25))) for name in names}
