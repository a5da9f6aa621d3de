"""Every form of a timestamp, and strings that fit none: through the whole chain, as `ev.TimeStamp` and as `ts`."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.bad_input.test_events import KERNELS
from tests.drops import Chain, ev, row, table


def at(hour: int = 0, minute: int = 0, second: int = 0, us: int = 0, day: int = 8, month: int = 5) -> dt.datetime:
    return dt.datetime(2024, month, day, hour, minute, second, us, tzinfo=dt.UTC)


TEXTS: dict[str, dt.datetime | None] = {
    # ISO 8601
    "2024-05-08": at(),
    "2024-05-08T10:00": at(10),
    "2024-05-08 10:00:00": at(10),
    "2024-05-08t10:00:00.123456789Z": at(10, us=123_456),
    "2024-05-08T10:00:00,5z": at(10, us=500_000),
    "20240508T1000": at(10),
    "20240508T100000.25": at(10, us=250_000),
    "2024-05-08T10:00:00+02": at(8),
    "2024-05-08T10:00:00 -0530": at(15, 30),
    "2024-05-08T10:00+05:45": at(4, 15),
    "\u3000 2024-05-08T10:00 \u00a0": at(10),
    "2024-05-08T24:00:00": None,
    "2024-05-08T10:00:60": None,
    "2024-05-08T10:00:00+24:00": None,
    "2024-05-08T10:00:00+02:60": None,
    "2024-05-08T10:00:00 UTC": None,
    "2024-05-08T10:00:00 Europe/Berlin": None,
    "2024-05-08T10:00.5": None,
    "2024-05-08T10": None,
    "2024-05-08Z": None,
    "2024-5-8": None,
    "2024-02-30": None,
    "2023-02-29T00:00": None,
    "2024-W19-3": None,
    "2024-129": None,
    "２０２４-05-08": None,
    "2024-05-08T10:00:00.1234567890": None,
    "2024-05-08T10:00:00\x1f": None,
    # integers
    "1715162400": at(10),
    "+1715162400": at(10),
    "1715162400000": at(10),
    "1715162400000000": at(10),
    "1715162400000000999": at(10),
    "-1715162400": None,
    "20240508": None,
    "9223372036854775808": None,
    "99999999999999999999": None,
    "1,715,162,400": None,
    "0x663b": None,
    # floats
    "1715162400.5": at(10, us=500_000),
    "1715162400000.25": at(10, us=250),
    "1715162400.": None,
    ".5": None,
    "1.7151624e9": None,
    "NaN": None,
    "inf": None,
    # /Date()/ and WMI
    "/Date(1715162400000)/": at(10),
    "/Date(1715162400000+0530)/": at(10),
    "/Date(1715162400000": None,
    "/Date(2024)/": None,
    "20240508100000.123456+480": at(2, us=123_456),
    "20240508100000.123456-060": at(11, us=123_456),
    "20240508100000.123456+48": None,
    "20240508100000.******+480": None,
    # with slashes
    "5/8/2024": at(),
    "05/08/2024 10:00": at(10),
    "5/8/2024, 10:00:00 PM": at(22),
    "5/8/2024 10:00:00\u202fpm": at(22),
    "5/8/2024 10:00\u00a0AM": at(10),
    "5/8/2024 12:30am": at(0, 30),
    "5/8/2024 12:30 PM": at(12, 30),
    "5/8/2024 13:00": at(13),
    "5/8/2024 10:00:00.5": at(10, us=500_000),
    "2024/5/8": at(),
    "2024/05/08 10:00:00.123456789 am": at(10, us=123_456),
    "5/8/2024 13:00 PM": None,
    "5/8/2024 0:30 AM": None,
    "5/8/2024 24:00": None,
    "13/5/2024": None,
    "5/8/24": None,
    "5-8-2024": None,
    "5/8/2024,": None,
    # nothing of the kind
    "yesterday": None,
    "May 8, 2024": None,
    "08.05.2024": None,
    "Wed, 08 May 2024 10:00:00 GMT": None,
    "T10:00": None,
    "null": None,
    "0": None,
    "2024-05-08T10:00:00Z2024-05-08T10:00:00Z": None,
    "9" * 5_000: None,
}
NUMBERS: list[tuple[object, dt.datetime | None]] = [
    (1715162400, at(10)),
    (1715162400000, at(10)),
    (1715162400.5, at(10, us=500_000)),
    (0, None),
    (True, None),
    ([1715162400], None),
    ({"$date": 1715162400000}, None),
    (10**30, None),
]


def names(count: int) -> list[str]:
    return [f"T{n:03}" for n in range(count)]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("place", ["ev.TimeStamp", "ts"])
def test_every_form_of_a_text(chain: Chain, kernel: str, place: str) -> None:
    tags = names(len(TEXTS))
    if place == "ts":
        rows = [row(tag, ev="{}", ts=text) for tag, text in zip(tags, TEXTS, strict=True)]
    else:
        rows = [row(tag, ev=ev(TimeStamp=text)) for tag, text in zip(tags, TEXTS, strict=True)]
    chain.drop({"a.parquet": table(*rows)})
    chain.run(kernel=kernel)
    clean = {r["service_tag"]: r for r in chain.rows("clean").to_pylist()}
    found = {text: clean[tag]["valid_timestamp"] for tag, text in zip(tags, TEXTS, strict=True)}
    assert found == TEXTS
    for tag, text in zip(tags, TEXTS, strict=True):
        good = TEXTS[text] is not None
        status = (clean[tag]["timestamp_status"], clean[tag]["timestamp_source"])
        assert status == (("ok", place) if good else ("invalid", None)), text


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_form_of_a_json_value(chain: Chain, kernel: str) -> None:
    tags = names(len(NUMBERS))
    chain.drop({"a.parquet": table(*(row(tag, ev=ev(TimeStamp=v)) for tag, (v, _) in zip(tags, NUMBERS, strict=True)))})
    chain.run(kernel=kernel)
    clean = {r["service_tag"]: r for r in chain.rows("clean").to_pylist()}
    for tag, (value, expected) in zip(tags, NUMBERS, strict=True):
        assert clean[tag]["valid_timestamp"] == expected, value
        assert clean[tag]["timestamp_status"] == ("ok" if expected else "invalid"), value


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_window_has_both_its_ends_and_clock_faults_fall_through(chain: Chain, kernel: str) -> None:
    week = at(day=10)
    first, last = week - dt.timedelta(days=400), week + dt.timedelta(days=8)
    micro = dt.timedelta(microseconds=1)
    cases = {first: first, first - micro: at(10), last: last, last + micro: at(10)}
    cases |= {
        dt.datetime(year, 1, 1, tzinfo=dt.UTC): at(10) for year in (1601, 1970, 1980, 2000, 2004, 2016, 2099, 3001)
    }
    tags = names(len(cases))
    rows = [
        row(tag, ev=ev(TimeStamp=claimed.isoformat()), ts="2024-05-08T10:00:00Z")
        for tag, claimed in zip(tags, cases, strict=True)
    ]
    chain.drop({"a.parquet": table(*rows)})
    chain.run(kernel=kernel)
    clean = {r["service_tag"]: r["valid_timestamp"] for r in chain.rows("clean").to_pylist()}
    assert [clean[tag] for tag in tags] == list(cases.values())
