"""Both kernels give the same bytes, whatever the rows hold; the Python one is the reference."""

import json
import struct

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.clean.events import Rules, read_events_python, window_rules

native = pytest.importorskip("eventlog_kernel", reason="the native kernel is not built (`make setup` with cargo)")

VOLATILE = ("LogTime", "UploadTime", "SeqNo", "BatchId")
RULES = window_rules("2024-05-10", before=400, after=8, day_first=False, volatile=VOLATILE)


def batch_of(rows):
    ev, ts, eventdate = zip(*rows, strict=True) if rows else ([], [], [])
    return pa.record_batch(
        {
            "ev": pa.array(ev, pa.string()),
            "ts": pa.array(ts, pa.string()),
            "eventdate": pa.array(eventdate, pa.int64()),
        }
    )


def assert_same(batch, rules=RULES):
    expected, expected_unusable = read_events_python(pa.table(batch.select(["ev", "ts", "eventdate"])), rules)
    columns, unusable = native.read_events(batch, *rules[:3], list(rules.volatile))
    columns.validate(full=True)
    assert columns.to_pylist() == expected.to_pylist()  # the readable difference first
    assert pa.table(columns).equals(expected, check_metadata=True)
    assert unusable == expected_unusable


# ------------------------------------------------------------------------------------------------- what is generated


def joined(*parts):
    return st.tuples(*parts).map("".join)


def some_of(*texts):
    return st.sampled_from(texts)


BLANKS = some_of("", "", "", " ", "\n", "\t", "\r", " \r\n")
WHITE_SPACE = st.text("\t\n\v\f\r \x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000", max_size=2)
NEARLY_WHITE_SPACE = some_of("", "", "\x1c", "\u200b", "\ufeff", "\x00", "\u180e")
DIGITS = st.text("0123456789", max_size=21)
TWO_DIGITS = st.one_of(
    st.integers(0, 61).map("{:02}".format), st.text("0123456789", max_size=3), some_of("05", "08", "12")
)
YEARS = some_of("2024", "2024", "2024", "1970", "1601", "0001", "0000", "9999", "24", "20240")

LIMITS = [10**11, 10**14, 10**17, 2**53, 2**63, 2**64, 1_715_162_400, 1_715_162_400 * 10**9]
INTEGERS = st.one_of(
    st.integers(-(10**25), 10**25),
    st.builds(
        lambda limit, step, sign: sign * (limit + step), st.sampled_from(LIMITS), st.integers(-2, 2), some_of(1, -1)
    ),
).map(str)
FLOATS = st.one_of(
    st.binary(min_size=8, max_size=8).map(lambda bits: repr(struct.unpack("<d", bits)[0])),
    st.floats(-1e18, 1e18).flatmap(
        lambda number: some_of(repr(number), f"{number:.3f}", f"{number:.17g}", f"{number:e}")
    ),
    joined(INTEGERS, some_of(".5", ".25", ".0", ".0000005", ".50")),
    joined(
        some_of("", "-"),
        DIGITS,
        some_of("", "."),
        DIGITS,
        some_of("", "e", "E+", "e-"),
        st.text("0123456789", max_size=3),
    ),
)
ODD_NUMBERS = some_of(
    *("-0", "-0.0", "0e99999999999999999999", "1e400", "-1e400", "1e-400", "1.7976931348623159e308", "2.4e-324"),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "+1",
        "01",
        "1.",
        ".5",
        "1e",
        "0x10",
        "1_000",
        "9" * 5000,
        "1e16",
        "1e-5",
        "1e-6",
    ),
)
NUMBERS = st.one_of(INTEGERS, FLOATS, ODD_NUMBERS)

FRACTIONS = st.one_of(some_of("", "", ".5", ",123456789", ".", ".1234567890"), joined(some_of(".", ","), DIGITS))
ZONES = some_of(*("", "", "Z", "z", " Z", "  Z", "+05:30", "-0800", "+05", " -08:00", "+24:00", "-00:60", "+5", "UTC"))
HALVES = some_of(*("", "AM", "pm", " Pm", "\xa0am", "\u202fPM", "  AM", " a", " a.m."))
DATES = joined(YEARS, some_of("-", "-", ""), TWO_DIGITS, some_of("-", "-", ""), TWO_DIGITS)
CLOCKS = joined(
    TWO_DIGITS, some_of(":", ":", ""), TWO_DIGITS, some_of("", ":", ":"), st.one_of(TWO_DIGITS, st.just(""))
)
SLASHED = st.one_of(
    joined(TWO_DIGITS, st.just("/"), TWO_DIGITS, st.just("/"), YEARS),
    joined(YEARS, some_of("/"), TWO_DIGITS, some_of("/5")),
)
TIMES = st.one_of(
    DATES,
    joined(DATES, some_of("T", "t", " ", "", "_"), CLOCKS, FRACTIONS, ZONES),
    joined(SLASHED, some_of("", ",", ", ", " ", "  "), CLOCKS, FRACTIONS, HALVES),
    joined(some_of("/Date("), some_of("", "-", "+"), DIGITS, some_of("", "+0530", "-08"), some_of(")/", ")")),
    joined(
        some_of("20240508100000.123456", "20240508100000.12345", "20241308100000.123456"),
        some_of("+480", "-060", "480", ""),
    ),
    joined(some_of("", "+", "-"), NUMBERS),
)
TEXTS = st.one_of(joined(WHITE_SPACE, NEARLY_WHITE_SPACE, TIMES, WHITE_SPACE), WHITE_SPACE, st.text(max_size=8))

ESCAPES = some_of(
    *(
        r"\n",
        r"\"",
        r"\\",
        r"\/",
        r"\u0000",
        r"\u001F",
        r"\u0041",
        r"\u00e9",
        r"\ud83d\ude00",
        r"\uFFFF",
        r"\u0022",
        r"\b",
    ),
    *(r"\ud83d", r"\ude00", r"\ud800\u0041", r"\u12", r"\x", "\n", "\x00", "\x7f", "é", "\U0001f600", "\uffff", "\\"),
)
STRINGS = st.one_of(
    TEXTS.map(json.dumps),
    TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.lists(st.one_of(ESCAPES, st.text(max_size=3)), max_size=4).map(lambda parts: f'"{"".join(parts)}"'),
)
KEYS = some_of(
    *("TimeStamp", "LogTime", "EventId", "SeqNo", r"T\u0069meStamp", r"Log\u0054ime", "timestamp", "", "a", "b", "ab"),
    *(
        "abcdefgh",
        "abcdefghi",
        r"abcdefgh\u0000",
        r"\u0061",
        "é",
        "\uffff",
        r"\uffff",
        "\U0001f600",
        r"\ud83d\ude00",
        r"\"",
    ),
)


def objects(values):
    member = joined(BLANKS, KEYS.map('"{}"'.format), BLANKS, st.just(":"), BLANKS, values, BLANKS)
    return st.lists(member, max_size=6).map(lambda members: f"{{{','.join(members)}}}")


def arrays(values):
    return st.lists(joined(BLANKS, values, BLANKS), max_size=3).map(lambda items: f"[{','.join(items)}]")


SCALARS = st.one_of(STRINGS, NUMBERS, some_of("true", "false", "null", "nul"))
VALUES = st.recursive(SCALARS, lambda values: st.one_of(objects(values), arrays(values)), max_leaves=8)
NESTED = st.builds(
    lambda opening, depth, closing, before: before + opening * depth + "1" + closing * depth,
    *(
        some_of("[", '{"a":', '["["', '[{"b":'),
        st.integers(97, 102),
        some_of("]", "}", "}]"),
        some_of("", '{"x":', "x ", "]]]", '"'),
    ),
)


@st.composite
def mutated(draw, texts):
    content = bytearray(draw(texts).encode())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 2))] = draw(
            some_of(b"", *(bytes([byte]) for byte in b'{}[]:,"\\01e.-+ \n\0t/'))
        )
    return content.decode(errors="ignore")


EV = st.one_of(
    st.none(), objects(VALUES), mutated(objects(VALUES)), joined(BLANKS, VALUES, BLANKS), NESTED, st.text(max_size=8)
)
EVENTDATES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-1001, 1001))
ROWS = st.lists(st.tuples(EV, st.one_of(st.none(), TEXTS), EVENTDATES), max_size=12)


# ------------------------------------------------------------------------------------------------------------- tests


@settings(max_examples=200, deadline=None)
@given(ROWS)
@example([(None, None, None)])
@example([])
def test_any_rows_are_read_alike(rows):
    assert_same(batch_of(rows))


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=40), st.booleans())
def test_any_time_is_read_alike(texts, day_first):
    quoted = [f'{{"TimeStamp":{json.dumps(text)}}}' for text in texts]
    assert_same(
        batch_of([*((ev, None, None) for ev in quoted), *((None, text, None) for text in texts)]),
        RULES._replace(day_first=day_first),
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=40))
def test_any_number_is_read_and_written_alike(numbers):
    assert_same(batch_of([(f'{{"EventId":{number},"LogTime":{number}}}', None, None) for number in numbers]))


@settings(max_examples=100, deadline=None)
@given(ROWS, st.sets(some_of("LogTime", "TimeStamp", "EventId", "é", "a", '"', "abcdefgh\0", "")))
def test_any_member_may_be_volatile(rows, volatile):
    assert_same(batch_of(rows), RULES._replace(volatile=tuple(volatile)))


@pytest.mark.parametrize("text_type", [pa.string(), pa.large_string(), pa.string_view()])
def test_every_form_of_arrow_string_is_read(text_type):
    rows = [('{"TimeStamp":"2024-05-08T10:00:00Z","Message":"longer than a view holds inline"}', "2024-05-08", 1)] * 3
    batch = batch_of([*rows, (None, None, None)])
    columns = {"cat": pa.array(["x"] * 4), **{name: batch[name] for name in ("eventdate", "ts", "ev")}}
    converted = {name: column.cast(text_type) if name in {"ev", "ts"} else column for name, column in columns.items()}
    assert_same(pa.record_batch(converted).slice(1))


def test_limits_of_size_and_depth_are_the_same():
    largest = '{"a":"' + "x" * (1_048_576 - 8) + '"}'
    deepest = '{"a":' + "[" * 99 + "]" * 99 + "}"
    evs = [
        largest,
        largest + " ",
        "é" * 524_288,
        "é" * 524_289,
        deepest,
        deepest.replace("[]", "[[]]"),
        "[" * 101,
        '"' + "[" * 101,
    ]
    assert_same(batch_of([(ev, None, None) for ev in evs]))


def test_both_ends_of_the_window_are_valid():
    ends = [RULES.lowest_us - 1, RULES.lowest_us, RULES.highest_us, RULES.highest_us + 1]
    assert_same(batch_of([(f'{{"TimeStamp":{us}}}', None, us * 1000) for us in ends]))


def test_a_string_that_is_not_utf8_is_not_json():
    ev = pa.array([b'{"a":"\xff"}', b'{"a":1}']).view(pa.string())
    batch = pa.record_batch({"ev": ev, "ts": pa.nulls(2, pa.string()), "eventdate": pa.nulls(2, pa.int64())})
    columns, _ = native.read_events(batch, *RULES[:3], list(VOLATILE))
    assert columns["ev_status"].to_pylist() == ["not_json", "ok"]


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"ev": pa.array(["{}"]), "ts": pa.array(["1"])}, "eventdate"),
        ({"ev": pa.array([1]), "ts": pa.array(["1"]), "eventdate": pa.array([1])}, "ev"),
        ({"ev": pa.array(["{}"]), "ts": pa.array(["1"]), "eventdate": pa.array([1], pa.int32())}, "eventdate"),
    ],
)
def test_a_column_that_is_missing_or_of_another_type_is_named(columns, named):
    with pytest.raises(ValueError, match=f"column {named}"):
        native.read_events(pa.record_batch(columns), 0, 1, False, [])


def test_rules_are_those_of_the_python_kernel():
    assert Rules._fields == ("lowest_us", "highest_us", "day_first", "volatile")
