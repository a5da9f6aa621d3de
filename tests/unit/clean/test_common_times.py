"""A column of times: exactly the common forms, each read as one text is."""

import re

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from services.clean.common_times import common_times
from services.clean.timestamps import from_text
from tests.drops import TEN_US


def read(values):
    """The time of each text that is known, else None."""
    times, known = common_times(pa.array(values, pa.string()))
    return [time if is_known else None for time, is_known in zip(times.tolist(), known.tolist(), strict=True)]


FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?")
TIMES = st.builds(
    lambda moment, separator, rest: moment.replace(microsecond=0).isoformat(separator) + rest,
    st.datetimes(),
    st.sampled_from("T "),
    st.from_regex(r"\A(\.[0-9]{1,10})?(Z|z| Z|[+-][0-9]{2}:[0-9]{2})?\Z"),
)
NO_DATES = st.from_regex(rf"\A{FORM.pattern}\Z")


@st.composite
def near_times(draw):
    """A time with one character changed, left out or put in."""
    text = draw(TIMES)
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(st.text("0123456789-+:. TtZz,é", max_size=1)) + text[place + draw(st.integers(0, 1)) :]


@given(st.lists(TIMES | NO_DATES | near_times() | st.none(), max_size=8))
@example(["2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2000-02-29 00:00:00"])
@example(["0000-01-01T00:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999999-23:59"])
@example(["2024-05-08T24:00:00", "2024-05-08T10:60:00", "2024-05-08T10:00:60", "2024-05-08T10:00:00+24:00"])
@example(["2024-05-08T10:00:00+00:60", "2024-05-08T10:00:00.Z", "2024-05-08T10:00:00.+00:00", "2024-05-08T10:00:00."])
@example(["2024-05-08T10:00-00:00:00", "2024-05-08T10:00:00,000", "2024-05-08T10:00:00+0000", "+024-05-08T10:00:00"])
def test_exactly_the_common_forms_are_read_each_as_one_text_is(values):
    expected = [from_text(v) if isinstance(v, str) and FORM.fullmatch(v) else None for v in values]
    assert read(values) == expected


def test_every_fraction_and_zone_is_common():
    common = [
        f"2024-05-08{between}10:00:00{fraction}{zone}"
        for between in "T "
        for fraction in ("", *("." + "0" * digits for digits in range(1, 10)))
        for zone in ("", "Z", "+00:00", "-00:00")
    ]
    common += ["2024-05-08T15:30:00.0000009+05:30", "2024-05-07 10:01:00-23:59", "2024-05-08T10:00:00.000000999"]
    assert read(common) == [TEN_US] * len(common)
    assert [read([text]) for text in common] == [[TEN_US]] * len(common)


def test_every_day_of_the_calendar_and_no_other_is_a_time():
    texts = [
        f"{year}-{month:02}-{day:02}T00:00:00Z"
        for year in (1900, 2023, 2024)
        for month in range(14)
        for day in range(33)
    ]
    times = read(texts)
    assert times == [from_text(text) for text in texts]
    assert sum(time is not None for time in times) == 365 + 365 + 366


def test_no_texts_and_rows_without_text():
    assert read([]) == []
    assert read([None, None]) == [None, None]
    assert read(["", None]) == [None, None]


def test_texts_are_found_wherever_they_lie_in_their_array():
    texts = pa.array(["2024-05-08T10:00:00Z", "x", "2024-05-08T10:00:01Z"])
    times, known = common_times(texts.slice(1))
    assert (times.tolist(), known.tolist()) == ([0, TEN_US + 1_000_000], [False, True])
