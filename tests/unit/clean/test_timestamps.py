"""When it happened: every form, every near-form, at the edges of each."""

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.clean.timestamps import (
    from_float,
    from_integer,
    from_json,
    from_nanoseconds,
    from_text,
    year_of,
)
from tests import reference
from tests.drops import SECOND, TEN_US

MIDNIGHT = TEN_US - 36_000 * SECOND
HOUR = 3_600 * SECOND
LAST = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-08", MIDNIGHT),
        ("2024-05-08T10:00", TEN_US),
        ("2024-05-08t10:00:00", TEN_US),
        ("2024-05-08 10:00:00", TEN_US),
        ("2024-05-08T10:00:00.5", TEN_US + 500_000),
        ("2024-05-08T10:00:00Z", TEN_US),
        ("2024-05-08T10:00:00+00:00", TEN_US),
        *(
            (f"2024-05-08T10:00:00.{'123456'[:digits]}Z", TEN_US + 123_456 // 10 ** (6 - digits) * 10 ** (6 - digits))
            for digits in range(1, 7)
        ),
        ("0001-01-01T00:00:00.000001Z", -62_135_596_800 * SECOND + 1),
        ("2024-05-08T10:00:00,123456789", TEN_US + 123_456),
        ("2024-05-08T10:00:00.9999999", TEN_US + 999_999),
        ("1969-12-31T23:59:59.9999999", -1),
        ("0001-01-01", -62_135_596_800 * SECOND),
        ("9999-12-31T23:59:59.999999", 253_402_300_800 * SECOND - 1),
        ("2024-02-29", MIDNIGHT - 69 * 24 * HOUR),
        ("2024-05-08T10:00Z", TEN_US),
        ("2024-05-08T10:00z", TEN_US),
        ("2024-05-08T10:00 Z", TEN_US),
        ("2024-05-08T10:00+02", TEN_US - 2 * HOUR),
        ("2024-05-08T10:00:00+0530", TEN_US - 5 * HOUR - HOUR // 2),
        ("2024-05-08T10:00:00.5 -05:30", TEN_US + 5 * HOUR + HOUR // 2 + 500_000),
        ("2024-05-08T10:00-23:59", TEN_US + 24 * HOUR - 60 * SECOND),
        ("20240508T1000", TEN_US),
        ("20240508t100000Z", TEN_US),
        ("20240508T100000.25+01", TEN_US - HOUR + 250_000),
        ("\u3000 2024-05-08T10:00\x85\n", TEN_US),
        # integers and floats as text
        ("1715162400", TEN_US),
        ("+1715162400", TEN_US),
        ("-1", -SECOND),
        ("0", 0),
        ("20240508", 20_240_508 * SECOND),
        ("1715162400000", TEN_US),
        ("1715162400.5", TEN_US + 500_000),
        ("1715162400000.5", TEN_US + 500),
        ("-0.5", -500_000),
        ("0000000001715162400", TEN_US),
        ("00000000000000000001715162400.0", TEN_US),
        # the forms of old systems
        ("/Date(1715162400000)/", TEN_US),
        ("/Date(1715162400000+0530)/", TEN_US),
        ("/Date(-1-0800)/", -1_000),
        ("/Date(10)/", 10_000),
        ("20240508100000.123456+000", TEN_US + 123_456),
        ("20240508100000.123456+480", TEN_US + 123_456 - 8 * HOUR),
        ("20240508100000.000000-999", TEN_US + 999 * 60 * SECOND),
        # slashes
        ("5/8/2024", MIDNIGHT),
        ("05/08/2024", MIDNIGHT),
        ("5/8/2024 10:00", TEN_US),
        ("5/8/2024, 10:00", TEN_US),
        ("5/8/2024 10:00:00", TEN_US),
        ("5/8/2024 10:00:00.123456789", TEN_US + 123_456),
        ("5/8/2024 10:00 AM", TEN_US),
        ("5/8/2024 10:00am", TEN_US),
        ("5/8/2024 10:00\u00a0aM", TEN_US),
        ("5/8/2024, 10:00:00\u202fAM", TEN_US),
        ("5/8/2024 12:00 AM", MIDNIGHT),
        ("5/8/2024 12:00 PM", MIDNIGHT + 12 * HOUR),
        ("5/8/2024 1:05 pm", MIDNIGHT + 13 * HOUR + 300 * SECOND),
        ("5/8/2024 0:00", MIDNIGHT),
        ("5/8/2024 23:59", MIDNIGHT + 24 * HOUR - 60 * SECOND),
        ("2024/5/8", MIDNIGHT),
        ("2024/05/08 10:00:00.5", TEN_US + 500_000),
        ("2024/5/8, 10:00 AM", TEN_US),
    ],
)
def test_forms_are_read_exactly(text, expected):
    assert from_text(text) == expected
    assert from_json(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "now", "null", "NaN", "2024-05", "2024-5-8", "24-05-08", "2024-05-08T", "2024-05-08T10"),
        *(
            "2024-05-08T1000",
            "20240508T10:00",
            "20240508T10",
            "20240508 1000",
            "20240508T",
            "2024-05-08  10:00",
        ),
        *("2024-05-08_10:00", "2024-05-08\u00a010:00", "2024-05-08Z", "2024-05-08+01:00", "2024-05-08 Z"),
        *(
            "2024-05-08T24:00",
            "2024-05-08T10:60",
            "2024-05-08T10:00:60",
            "2024-05-08T10:00.5",
            "2024-05-08T10:00:00.",
            *("2024-05-08T24:00:00Z", "2024-05-08T10:60:00Z", "2024-05-08T10:00:60Z", "2024-02-30T10:00:00Z"),
            *("0000-05-08T10:00:00Z", "2024-05-08T10:00:00.Z", "2024-05-08T10:00:00ZZ"),
        ),
        *(
            "2024-05-08T10:00:00.1234567890",
            "2024-05-08T10:00:00;5",
            "2024-05-08T10:00  Z",
            "2024-05-08T10:00 UTC",
        ),
        *(
            "2024-05-08T10:00+24",
            "2024-05-08T10:00+01:60",
            "2024-05-08T10:00+1",
            "2024-05-08T10:00+010",
            "2024-05-08T10:00+01:0",
        ),
        *(
            "2024-05-08T10:00\u221201:00",
            "2024-W19-3",
            "2024-129",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "2024-00-01",
        ),
        *(
            "2024-01-00",
            "0000-01-01",
            "\u0662\u0660\u0662\u0664-05-08",
            "\uff12024-05-08",
            "\x1c2024-05-08",
            "2024-05-08\x00",
        ),
        *("\u200b2024-05-08", "\ufeff2024-05-08", "2024-05-08T10:00:00Z+01", "+2024-05-08", "-2024-05-08"),
        # numbers
        *(
            "1e9",
            "1.",
            ".5",
            "1,5",
            "1_000",
            "0x10",
            "--1",
            "+ 1",
            "1 000",
            "inf",
            "\u0661",
            "99999999999999999999",
            "1.0.0",
            "+-1",
        ),
        *("9223372036854775808", "-9223372036854775809", "9223372036854775808.0", "1" + "0" * 400 + ".0"),
        # old systems
        *(
            "/Date(1715162400000)",
            "Date(1715162400000)",
            "/Date(1715162400000Z)/",
            "/Date(+1)/",
            "/Date()/",
            "/Date(1.5)/",
        ),
        *(
            "/Date(1715162400000+05:30)/",
            "/Date(1715162400000+053)/",
            "/date(1)/",
            "/Date( 1 )/",
            "/Date(10000000000000000000)/",
        ),
        *(
            "20240508100000.123456Z",
            "20240508100000.12345+480",
            "20240508100000.123456+48",
            "20240508100000.123456+4800",
        ),
        *(
            "20240508100060.123456+000",
            "20240508240000.000000+000",
            "20240508100000,123456+000",
            "20240508******.******+***",
        ),
        # slashes
        *(
            "13/1/2024",
            "0/1/2024",
            "1/32/2024",
            "2/29/2023",
            "5/8/24",
            "5/8/02024",
            "5-8-2024",
            "005/8/2024",
            "5/8/2024,",
        ),
        *(
            "5/8/2024 ",
            " 5 /8/2024",
            "5/8/2024  10:00",
            "5/8/2024,10:00",
            "5/8/2024T10:00",
            "5/8/2024 10",
            "5/8/2024 10:0",
        )[1:],
        *(
            "5/8/2024 24:00",
            "5/8/2024 0:00 AM",
            "5/8/2024 13:00 PM",
            "5/8/2024 10:00 A",
            "5/8/2024 10:00 A.M.",
            "5/8/2024 10:00  AM",
        ),
        *(
            "5/8/2024 10:00.5",
            "5/8/2024 10:00:00,5",
            "5/8/2024 10:00:00.",
            "5/8/2024 10:00Z",
            "5/8/2024 10:00 +01:00",
            "5/8/2024 100:00",
        ),
        *(
            "2024/13/1",
            "2024/5/8T10:00",
            "24/5/8",
            "2024/5",
            "5/8/2024 10:00:00.1234567890",
            "5/8/2024 10:00\u2003AM",
            "5/8/2024 AM",
        ),
    ],
)
def test_near_forms_are_unusable(text):
    assert from_text(text) is None


def test_day_first_is_a_setting_of_the_year_last_form_alone():
    assert from_text("8/5/2024", day_first=True) == from_text("5/8/2024") == MIDNIGHT
    assert from_text("31/12/2024 1:00 PM", day_first=True) == from_text("2024-12-31T13:00")
    assert from_text("5/31/2024", day_first=True) is None
    assert from_text("2024/5/8", day_first=True) == MIDNIGHT


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, 0),
        (-1, -SECOND),
        (10**11 - 1, (10**11 - 1) * SECOND),
        (10**11, 10**14),
        (-(10**11), -(10**14)),
        (10**14 - 1, (10**14 - 1) * 1000),
        (10**14, 10**14),
        (10**17 - 1, 10**17 - 1),
        (10**17, 10**14),
        (10**17 + 999, 10**14),
        (-(10**17) - 1, -(10**14) - 1),
        (LAST, LAST // 1000),
        (-LAST - 1, (-LAST - 1) // 1000),
        (LAST + 1, None),
        (-LAST - 2, None),
        (10**400, None),
    ],
)
def test_integers_have_their_unit_by_their_size(number, expected):
    assert from_integer(number) == expected
    assert from_json(number) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.0, 0),
        (-0.0, 0),
        (1715162400.5, TEN_US + 500_000),
        (0.0000005, 0),  # the double is a little less than half a µs
        (2.0**-21, 0),  # 0.476… µs
        (1.5 * 2.0**-7, 11_719),  # 11718.75
        (2.0**-7, 7812),  # 7812.5: half to even
        (3 * 2.0**-7, 23_438),  # 23437.5: half to even
        (-(2.0**-7), -7812),
        (1e11, 10**14),
        (math.nextafter(1e11, 0), 99_999_999_999_999_985),
        (1e14, 10**14),
        (1e14 + 0.5, 10**14),
        (1e14 + 1.5, 10**14 + 2),
        (1e17, 10**14),
        (math.nextafter(2.0**63, 0), 9_223_372_036_854_775),
        (2.0**63, None),
        (-(2.0**64), None),
        (float("nan"), None),
        (float("inf"), None),
        (1e300, None),
    ],
)
def test_floats_are_rounded_from_their_exact_value(number, expected):
    assert from_float(number) == expected
    assert from_json(number) == expected


@pytest.mark.parametrize("value", [None, True, False, [], ["2024-05-08"], {}, {"a": 1}, b"2024-05-08"])
def test_other_types_are_no_time(value):
    assert from_json(value) is None


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, 0), (999, 0), (1000, 1), (-1, -1), (-1000, -1), (-1001, -2), (LAST, LAST // 1000)],
)
def test_nanoseconds_are_floored(number, expected):
    assert from_nanoseconds(number) == expected


@given(st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)))
def test_year_of_is_the_calendars(moment):
    micros = (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    assert year_of(micros) == moment.year


@pytest.mark.parametrize(
    ("microseconds", "year"),
    [
        (-1, 1969),
        (0, 1970),
        (-62_135_596_800 * SECOND - 1, 0),
        (253_402_300_800 * SECOND, 10_000),
        (LAST, 294_247),
        (-LAST - 1, -290_308),
    ],
)
def test_year_of_reaches_beyond_the_calendar(microseconds, year):
    assert year_of(microseconds) == year


TEXTS = st.one_of(
    st.text("0123456789-+:.,/TtZz APMapm\u00a0\u202f()Date", max_size=30),
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.strftime("%m/%d/%Y, %I:%M:%S %p")),
    st.from_regex(
        r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,10})?)? ?([Zz]|[+-][0-9]{2}:?[0-9]{2})?\Z"
    ),
    st.from_regex(r"\A[0-9]{8}T[0-9]{4,6}([.,][0-9]+)?Z?\Z"),
    st.from_regex(r"\A[0-9]{14}\.[0-9]{6}[+-][0-9]{3}\Z"),
    st.from_regex(r"\A[0-9]{1,2}/[0-9]{1,2}/[0-9]{4},? [0-9]{1,2}:[0-9]{2} ?[AaPp]?[Mm]?\Z"),
    st.from_regex(r"\A[+-]?[0-9]{1,20}(\.[0-9]{0,9})?\Z"),
)


@given(TEXTS, st.booleans())
def test_text_is_read_as_the_reference_reads_it(text, day_first):
    assert from_text(text, day_first=day_first) == reference.timestamp(text, kind="ts", day_first=day_first)


NUMBERS = st.one_of(
    st.integers(),
    st.integers(-(2**63), 2**63),
    st.floats(),
    st.floats(-1e18, 1e18),
    st.sampled_from([1e11, 1e14, 1e17, 2.0**63]).map(lambda limit: math.nextafter(limit, 0)),
)


@given(
    NUMBERS.filter(lambda number: number != -(2**63))
)  # as a float it is at the edge of what either takes for a time
def test_numbers_are_read_as_the_reference_reads_them(number):
    assert from_json(number) == reference.timestamp(number, kind="json")
