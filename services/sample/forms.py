"""Every form of a timestamp that the contract knows, and next to each the near forms that it does not."""

from __future__ import annotations

from fractions import Fraction

from services.sample.spelling import (
    DAY,
    MINUTE,
    ODD_BLANKS,
    SECOND,
    WHITE_SPACE,
    Form,
    always,
    counting,
    half_more,
    in_nanoseconds,
    micros,
    nearly,
    nearly_padded,
    nearly_slashes,
    net_date,
    padded,
    raw_number,
    slashes,
    slashes_text,
    strftime,
    with_digits,
    with_point,
    with_zone,
    wmi,
)

FORMS: dict[str, Form] = {
    "iso_date": Form(
        "an ISO date alone is its midnight",
        (strftime("%Y-%m-%d", DAY),),
        (
            *nearly("%Y-%m", "%Y-13-%d", "%Y-00-%d", "%Y-%m-32", "%Y-02-30", "%Y-%m-%dZ", "%Y-%m-%d Z", "%Y%m%d"),
            *nearly("%G-W%V-%u", "%Y-%j", "%Y-%m-%dT", "%Y-%m-%dx", "%Y-%m-%d+02:00", "%y-%m-%d", "x%Y-%m-%d"),
        ),
    ),
    "iso_minutes": Form(
        "an ISO time without seconds",
        (strftime("%Y-%m-%dT%H:%M", MINUTE), strftime("%Y-%m-%d %H:%M", MINUTE), strftime("%Y-%m-%dt%H:%MZ", MINUTE)),
        nearly(
            "%Y-%m-%dT24:00", "%Y-%m-%dT25:%M", "%Y-%m-%dT%H:60", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M.5", "%Y-%m-%dT%H:%M:",
            "%Y-%m-%d_%H:%M", "%Y-%j %H:%M", "%G-W%V-%uT%H:%M",
        ),
    ),
    "iso_seconds": Form(
        "an ISO time with seconds, after T, t or a blank",
        (
            strftime("%Y-%m-%dT%H:%M:%S", SECOND), strftime("%Y-%m-%d %H:%M:%S", SECOND),
            strftime("%Y-%m-%dt%H:%M:%S", SECOND),
        ),
        (
            *nearly("%Y-%m-%dT24:00:00", "%Y-%m-%dT%H:%M:60", "%Y-%m-%dT%H:61:%S", "%Y-13-%dT%H:%M:%S"),
            *nearly("%Y-%m-%dT%H:%M:%S garbage", "%Y-%m-%dT%H:%M:%S;", "%Y-02-30T%H:%M:%S", "%Y-%m-%dT%H%M%S:"),
            lambda when: when.strftime("%Y-%m-%dT%H:%M:%S").translate({48: "\uff10", 50: "\uff12"}),
        ),
    ),
    "iso_fraction": Form(
        "1–9 digits after a point or a comma; below µs cut off",
        (
            *(with_digits("%Y-%m-%dT%H:%M:%S", digits) for digits in range(1, 10)),
            with_digits("%Y-%m-%d %H:%M:%S", 7, ","),
            with_digits("%Y-%m-%dT%H:%M:%S", 9, ending="Z"),
        ),
        nearly(
            "%Y-%m-%dT%H:%M:%S.", "%Y-%m-%dT%H:%M:%S.0123456789", "%Y-%m-%dT%H:%M:%S,", "%Y-%m-%dT%H:%M:%S.%fx",
            "%Y-%m-%dT%H:%M:%S.-5", "%Y-%m-%dT%H:%M:%S.%f.1",
        ),
    ),
    "iso_zone": Form(
        "Z, z, ±HH, ±HHMM or ±HH:MM after a time and an optional blank",
        (
            with_zone("%Y-%m-%dT%H:%M:%S", "Z", 0), with_zone("%Y-%m-%d %H:%M:%S", " z", 0),
            with_zone("%Y-%m-%dT%H:%M:%S", "-00:00", 0),
            with_zone("%Y-%m-%dT%H:%M:%S", "+02", 120), with_zone("%Y-%m-%dT%H:%M:%S", " -0330", -210),
            with_zone("%Y-%m-%d %H:%M:%S", "+05:45", 345), with_zone("%Y-%m-%dT%H:%M:%S", "+23:59", 1439),
            with_zone("%Y-%m-%dT%H:%M:%S.0", "-08:00", -480),
        ),
        nearly(
            "%Y-%m-%dT%H:%M:%S UTC", "%Y-%m-%dT%H:%M:%S EST", "%Y-%m-%dT%H:%M:%SGMT", "%Y-%m-%dT%H:%M:%S+24:00",
            "%Y-%m-%dT%H:%M:%S+05:60", "%Y-%m-%dT%H:%M:%S+5", "%Y-%m-%dT%H:%M:%S+05:3", "%Y-%m-%dT%H:%M:%SZZ",
            "%Y-%m-%dT%H:%M:%S+02:00[Europe/Berlin]", "%Y-%m-%dT%H:%M:%S\u221202:00",
        ),
    ),
    "iso_compact": Form(
        "an ISO time without marks",
        (
            strftime("%Y%m%dT%H%M", MINUTE), strftime("%Y%m%dT%H%M%S", SECOND), strftime("%Y%m%dt%H%M%SZ", SECOND),
            with_digits("%Y%m%dT%H%M%S", 3, ending="Z"), with_zone("%Y%m%dT%H%M%S", "+0200", 120),
        ),
        nearly(
            "%Y%m%d", "%Y%m%dT%H", "%Y%m%dT24%M", "%Y%m%dT%H%M60", "%Y%m%dT%H%M%Sx", "%Y13%dT%H%M", "%Y%jT%H%M%S",
            "%GW%V%uT%H%M%S", "%Y%m%dT%H%M%S0",
        ),
    ),
    "integer_seconds": Form(
        "an integer below 1e11 is seconds",
        (
            counting(SECOND, int), counting(SECOND, str), counting(SECOND, lambda n: f"+{n}"),
            counting(SECOND, lambda n: f"{n:019d}"),
        ),
        (
            lambda when: f"{micros(when) // SECOND:020d}", lambda when: f"{micros(when) // SECOND}s",
            lambda when: -(micros(when) // SECOND), lambda when: f"- {micros(when) // SECOND}",
            lambda when: f"{micros(when) // SECOND:_}", lambda when: hex(micros(when) // SECOND),
            lambda when: f"\u0661{micros(when) // SECOND}", lambda when: [micros(when) // SECOND],
        ),
    ),
    "integer_milliseconds": Form(
        "an integer below 1e14 is milliseconds",
        (counting(1_000, int), counting(1_000, str)),
        (
            lambda when: f"{micros(when) // 1_000:,}", lambda when: -(micros(when) // 1_000),
            lambda when: micros(when) // 100, lambda when: f"{micros(when) // 1_000}L",
        ),
    ),
    "integer_microseconds": Form(
        "an integer below 1e17 is microseconds",
        (counting(1, int), counting(1, str)),
        (lambda when: f"{micros(when)}us", lambda when: -micros(when), lambda when: {"us": micros(when)}),
    ),
    "integer_nanoseconds": Form(
        "a larger integer is nanoseconds, floored to µs",
        (in_nanoseconds(int), in_nanoseconds(str)),
        (
            always(2**63), always(f"{2**63}"), lambda when: raw_number(f"{micros(when)}0000"),
            lambda when: f"{micros(when)}0000", always(raw_number("9" * 300)), lambda when: -micros(when) * 1_000,
        ),
    ),
    "float_number": Form(
        "a JSON float by the same limits, rounded to µs, half to even",
        (
            with_point(Fraction(SECOND), 6, raw_number), with_point(Fraction(SECOND), 1, raw_number),
            with_point(Fraction(1_000), 3, raw_number),
            lambda when: (raw_number(half_more(when)[0]), half_more(when)[1]),
            with_point(Fraction(1, 1_000), 1, raw_number),
            lambda when: (raw_number(f"{micros(when) // SECOND}e0"), micros(when) // SECOND * SECOND),
        ),
        (
            always(raw_number("1e300")), lambda when: raw_number(f"-{micros(when) // SECOND}.5"),
            always(raw_number("0.0")),
            always(raw_number("1e-9")),
        ),
    ),
    "float_text": Form(
        "a text of digits, a point and digits by the same limits",
        (
            with_point(Fraction(SECOND), 6, str), with_point(Fraction(SECOND), 9, str),
            with_point(Fraction(1_000), 3, str), half_more,
            with_point(Fraction(SECOND), 3, lambda text: f"+{text}"), with_point(Fraction(1, 1_000), 1, str),
        ),
        (
            lambda when: f"{micros(when) // SECOND}.", lambda when: f"{micros(when) // SECOND}.5e0", always("NaN"),
            lambda when: f"{micros(when) / 1e15:.9f}e9", lambda when: f"{micros(when) // SECOND},5", always("Infinity"),
            lambda when: f"{micros(when) // SECOND}.5.5", lambda when: f".{micros(when)}",
        ),
    ),
    "net_date": Form(
        "/Date(ms)/; an offset in it is display only",
        (net_date(""), net_date("+0530"), net_date("-0800")),
        (
            lambda when: f"/Date({micros(when) // 1_000})", lambda when: f"Date({micros(when) // 1_000})",
            lambda when: f"/Date({micros(when) // 1_000}.5)/", always("/Date()/"), always("/Date(now)/"),
            lambda when: f"/Date({micros(when) // 1_000})/ x", lambda when: f"/Date({micros(when) // 1_000}Z)/",
        ),
    ),
    "wmi": Form(
        "WMI: local time with its offset in minutes",
        (wmi(480), wmi(-300), wmi(0), wmi(60)),
        (
            *nearly("%Y%m%d%H%M%S.%f", "%Y%m%d24%M%S.%f+480", "%Y%m%d%H%M60.%f+480", "%Y%m%d%H%M%S.******+***"),
            *nearly("%Y13%d%H%M%S.%f+480", "%Y%m%d%H%M%S.%f+480x", "%Y%m%d%H%M%S+480", "%Y%m%d%H%M%S.%f 480"),
        ),
    ),
    "us_date": Form(
        "month/day/year",
        (slashes("{m}/{d}/%Y", DAY), strftime("%m/%d/%Y", DAY)),
        (
            *nearly_slashes(
                "13/{d}/%Y", "{m}/32/%Y", "{m}/{d}/%y", "{m}-{d}-%Y", "{m}.{d}.%Y", "2/30/%Y", "0/{d}/%Y",
                "{m}/{d}",
            ),
            *nearly_slashes("28/{m}/%Y", "{m}/{d}/%Y/", "{m}/{d}/%Yx"),
        ),
    ),
    "us_time": Form(
        "month/day/year and a time of 24 hours; a comma after the date is allowed",
        (
            slashes("{m}/{d}/%Y {h}:%M", MINUTE), slashes("{m}/{d}/%Y, {h}:%M:%S", SECOND),
            slashes("{m}/{d}/%Y %H:%M:%S.%f", 1),
            with_digits("%m/%d/%Y %H:%M:%S", 9),
        ),
        nearly_slashes(
            "{m}/{d}/%Y 24:%M", "{m}/{d}/%Y {h}:60", "{m}/{d}/%Y {h}:%M:60", "{m}/{d}/%Y {h}", "{m}/{d}/%Y {h}:%M UTC",
            "13/{d}/%Y {h}:%M", "31/{m}/%Y {h}:%M:%S", "{m}/{d}/%Y at {h}:%M",
        ),
    ),
    "us_am_pm": Form(
        "month/day/year and a time of twelve hours",
        (
            slashes("{m}/{d}/%Y {i}:%M %p", MINUTE), slashes("{m}/{d}/%Y {i}:%M:%S\u202f%p", SECOND),
            slashes("{m}/{d}/%Y, {i}:%M:%S%p", SECOND),
            slashes("{m}/{d}/%Y {i}:%M:%S\xa0%p", SECOND), slashes("{m}/{d}/%Y %I:%M:%S.%f %p", 1),
            lambda when: (slashes_text("{m}/{d}/%Y {i}:%M %p", when).lower(), micros(when) // MINUTE * MINUTE),
        ),
        nearly_slashes(
            "{m}/{d}/%Y 13:%M %p", "{m}/{d}/%Y 0:%M %p", "{m}/{d}/%Y {i}:%M:60 %p", "{m}/{d}/%Y {i} %p",
            "{m}/{d}/%Y %p",
            "{m}/{d}/%Y {i}:%M AMPM", "{m}/{d}/%Y {i}:%M P", "{m}/{d}/%Y %p {i}:%M", "13/{d}/%Y {i}:%M %p",
        ),
    ),
    "year_first": Form(
        "year/month/day with the same times",
        (
            slashes("%Y/{m}/{d}", DAY), slashes("%Y/{m}/{d} {h}:%M:%S", SECOND),
            slashes("%Y/%m/%d, {i}:%M:%S %p", SECOND),
            with_digits("%Y/%m/%d %H:%M:%S", 8),
        ),
        nearly_slashes(
            "%Y/13/{d}", "%Y/{m}/32", "%Y/28/{m} {h}:%M", "%Y/{m}/{d} 24:00:00", "%Y/{m}/{d} 13:%M PM", "%Y/{m}",
            "%y/{m}/{d}",
            "%Y/{m}/{d} {h}:%M:%S.0123456789",
        ),
    ),
    "padded_time": Form(
        "white space around a time is ignored",
        (
            *(padded(blank, "") for blank in WHITE_SPACE),
            *(padded("", blank) for blank in WHITE_SPACE),
            *(padded(blank, blank) for blank in WHITE_SPACE),
        ),
        tuple(nearly_padded(blank) for blank in ODD_BLANKS),
    ),
}  # fmt: skip
"""By the name of its rule."""
