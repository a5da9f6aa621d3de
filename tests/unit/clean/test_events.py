"""The heart of clean, row by row: which candidate becomes the time, what ev is worth, what the key is."""

import tracemalloc

import orjson
import pyarrow as pa
import pytest
import xxhash

from services.clean.event_key import key_hash
from services.clean.events import (
    EVENT_SCHEMA,
    MAX_EV_BYTES,
    candidate_time,
    parse_ev,
    read_events_python,
    window_rules,
)
from tests.drops import SECOND, TEN, TEN_US, WEEK, ev

VOLATILE = ("LogTime", "UploadTime", "SeqNo", "BatchId")
RULES = window_rules(WEEK, before=400, after=8, day_first=False, volatile=VOLATILE)
MIDNIGHT = 1_715_299_200 * SECOND
DAY = 86_400 * SECOND
EARLIER = "2024-05-07"
EARLIER_US = TEN_US - 34 * 3_600 * SECOND


def read(event=None, ts=None, eventdate=None, rules=RULES):
    rows = pa.table(
        {
            "ev": pa.array([event], pa.string()),
            "ts": pa.array([ts], pa.string()),
            "eventdate": pa.array([eventdate], pa.int64()),
        }
    )
    return read_events_python(rows, rules)


def row_of(*args, **kwargs):
    (found,) = read(*args, **kwargs).columns.to_pylist()
    return found


def time_of(*args, **kwargs):
    found = read(*args, **kwargs).columns
    micros = found["valid_timestamp"].cast(pa.int64())[0].as_py()
    return micros, found["timestamp_source"][0].as_py(), found["timestamp_status"][0].as_py()


BAD = "2099-01-01"
"""A clock fault: a time, and not within the window."""


@pytest.mark.parametrize(
    ("event", "ts", "eventdate", "expected"),
    [
        # the first of the four that is present and valid
        (ev(TimeStamp=TEN, LogTime=EARLIER), EARLIER, 1, (TEN_US, "ev.TimeStamp", "ok")),
        (ev(TimeStamp=BAD, LogTime=TEN), EARLIER, 1, (TEN_US, "ev.LogTime", "fallback")),
        (ev(TimeStamp=BAD, LogTime="x"), TEN, 1, (TEN_US, "ts", "fallback")),
        (ev(TimeStamp=BAD, LogTime="x"), BAD, TEN_US * 1000, (TEN_US, "eventdate", "fallback")),
        (ev(TimeStamp=BAD, LogTime="x"), BAD, 0, (None, None, "invalid")),
        # absent ones are passed over without a word
        (ev(LogTime=TEN), EARLIER, 1, (TEN_US, "ev.LogTime", "ok")),
        (ev(TimeStamp=None, LogTime=" \u3000"), TEN, 1, (TEN_US, "ts", "ok")),
        (ev(), None, TEN_US * 1000 + 999, (TEN_US, "eventdate", "ok")),
        (ev(), " ", None, (None, None, "missing")),
        (None, None, None, (None, None, "missing")),
        # present and unusable
        (ev(TimeStamp=[]), EARLIER, None, (EARLIER_US, "ts", "fallback")),
        (ev(TimeStamp=False), None, None, (None, None, "invalid")),
        (ev(TimeStamp={"a": TEN}), None, None, (None, None, "invalid")),
        (None, "yesterday", None, (None, None, "invalid")),
        (None, None, 0, (None, None, "invalid")),
        # names are exact, and only an object is looked into
        (ev(timestamp=TEN, Logtime=TEN), None, None, (None, None, "missing")),
        (f"[{ev(TimeStamp=TEN)}]", None, None, (None, None, "missing")),
        (ev(TimeStamp=TEN)[:-1], None, None, (None, None, "missing")),
        ('{"TimeStamp":"x","TimeStamp":"2024-05-08T10:00:00Z"}', None, None, (TEN_US, "ev.TimeStamp", "ok")),
    ],
)
def test_the_first_valid_candidate_is_when_it_happened(event, ts, eventdate, expected):
    assert time_of(event, ts, eventdate) == expected


@pytest.mark.parametrize(
    ("micros", "is_valid"),
    [
        (MIDNIGHT - 400 * DAY, True),
        (MIDNIGHT - 400 * DAY - 1, False),
        (MIDNIGHT + 8 * DAY, True),
        (MIDNIGHT + 8 * DAY + 1, False),
    ],
)
def test_window_holds_both_of_its_ends(micros, is_valid):
    assert time_of(ev(TimeStamp=micros))[0] == (micros if is_valid else None)


def test_window_and_day_first_are_settings():
    rules = window_rules(WEEK, before=0, after=0, day_first=True, volatile=())
    assert time_of(ev(TimeStamp="10/5/2024"), rules=rules)[0] == MIDNIGHT
    assert time_of(ev(TimeStamp="5/10/2024"), rules=rules)[0] is None
    assert time_of(ev(TimeStamp=MIDNIGHT + 1), rules=rules)[0] is None
    assert time_of(ev(TimeStamp=MIDNIGHT - 1), rules=rules)[0] is None


def test_eventdate_is_always_nanoseconds():
    assert [candidate_time(3, value, RULES) for value in (1_715_162_400, -1, None)] == [1_715_162, -1, None]
    assert candidate_time(2, "1715162400", RULES) == TEN_US


DEEP = '{"a":' * 100 + "1" + "}" * 100
STATUSES = [
    (None, "null"),
    ("", "not_json"),
    (" ", "not_json"),
    ("{}", "ok"),
    (" {}\n", "ok"),
    ("[]", "not_object"),
    ("null", "not_object"),
    ("1", "not_object"),
    ('"{}"', "not_object"),
    ("{'a':1}", "not_json"),
    ('{"a":1,}', "not_json"),
    ('{"a":NaN}', "not_json"),
    ('{"a":1e400}', "not_json"),
    ('{"a":"\\ud800"}', "not_json"),
    ("\ufeff{}", "not_json"),
    ("{}x", "not_json"),
    ('{"a":' + "9" * 5000 + "}", "not_json"),
    ('{"a":123456789012345678901234567890}', "ok"),
    ('{"a":"\\u0000"}', "ok"),
    (DEEP, "ok"),
    ('{"a":' + DEEP + "}", "too_deep"),
    ("[" * 101, "too_deep"),
    ("[" * 100, "not_json"),
    ("]" * 500 + "[" * 100 + "x", "not_json"),
    ("]" * 500 + "[" * 101, "too_deep"),
    ("[{" * 50 + "}" + "[[", "too_deep"),
    ("[]" * 200, "not_json"),
    ('{"a":"' + "[" * 101 + '"}', "ok"),
    ('{"a":"\\"' + "[" * 101 + '"}', "ok"),
    ('{"a":"\\\\"' + "[" * 101 + '"}', "too_deep"),
    ('"' + "[" * 200, "not_json"),
    ('{"a":"' + "x" * (MAX_EV_BYTES - 8) + '"}', "ok"),
    ('{"a":"' + "x" * (MAX_EV_BYTES - 7) + '"}', "too_big"),
    ('{"a":"' + "ü" * (MAX_EV_BYTES // 2) + '"}', "too_big"),
    ("[" * (MAX_EV_BYTES + 1), "too_big"),
]


@pytest.mark.parametrize(("event", "status"), STATUSES, ids=range(len(STATUSES)))
def test_ev_status_is_the_first_that_applies(event, status):
    found, content = parse_ev(None if event is None else event.encode())
    assert found == status
    assert row_of(event)["ev_status"] == status
    assert content == (orjson.loads(event) if status == "ok" else {})


@pytest.mark.parametrize(
    ("event", "key"),
    [
        (ev(EventId="0123456789abcdef" * 2), "0123456789abcdef" * 2),
        (ev(EventId=7), "7"),
        (ev(EventId="E 7 "), "E 7 "),
        (ev(EventId=0, TimeStamp=" "), "0"),
        (ev(EventId=[1, {"b": 1, "a": 2}]), '[1,{"a":2,"b":1}]'),
        (ev(EventId=None), None),
        (ev(EventId=" "), None),
        (ev(LogTime=TEN), None),
        ("x", None),
        (None, None),
        (ev(TimeStamp="x", EventId=7, SeqNo=9), xxhash.xxh3_128_hexdigest(b'{"EventId":7,"TimeStamp":"x"}')),
        (ev(TimeStamp=False), xxhash.xxh3_128_hexdigest(b'{"TimeStamp":false}')),
    ],
)
def test_the_key_is_the_content_hash_or_the_event_id(event, key):
    row = row_of(event)
    assert row["event_key"] == key
    assert row["key_hash"] == (0 if key is None else key_hash(key))


def test_only_rows_keyed_by_event_id_carry_the_hash_of_their_content():
    assert row_of(ev(EventId=7, SeqNo=1))["payload_hash"] == xxhash.xxh3_128(b'{"EventId":7}').digest()
    assert row_of(ev(EventId=7, TimeStamp=TEN))["payload_hash"] is None
    assert row_of(ev())["payload_hash"] is None


@pytest.mark.parametrize(
    ("event", "expected"),
    [(ev(EventId=7), True), (ev(EventId=""), False), (ev(), False), ("x", False), (None, False)],
)
def test_has_event_id_whatever_the_key_is(event, expected):
    assert row_of(event)["has_event_id"] is expected


def test_unusable_candidates_are_counted_by_the_year_that_they_claim():
    found = read(ev(TimeStamp="1601-01-01", LogTime="x"), "2099-06-01", 0)
    assert found.unusable == {
        ("ev.TimeStamp", 1601): 1,
        ("ev.LogTime", None): 1,
        ("ts", 2099): 1,
        ("eventdate", 1970): 1,
    }
    assert read(ev(TimeStamp=TEN, LogTime="x"), "x").unusable == {}


REFUSED = [event for event, _ in STATUSES if event is None or len(event) < 1000]
BRACKETS = [event for event in REFUSED if event and event.count("[") + event.count("{") > 100]


@pytest.mark.parametrize("refused", [[event for event in REFUSED if event not in BRACKETS], REFUSED])
def test_rows_are_read_together_as_each_by_itself(refused):
    keyed = [ev(EventId=7, SeqNo=1), ev(TimeStamp=TEN, EventId=8), ev(TimeStamp=BAD, LogTime=TEN), ev()]
    texts = [text for place in range(9) for text in [*refused, *keyed * (1 + 5 * place)]]  # denser and denser good ones
    rows = {"ev": pa.array(texts, pa.string()), "ts": pa.array([TEN] * len(texts))}
    table = pa.table(rows | {"eventdate": pa.nulls(len(texts), pa.int64())})
    expected = [row_of(text, TEN, None) for text in texts]
    assert read_events_python(table, RULES).columns.to_pylist() == expected
    in_chunks = pa.Table.from_batches(table.to_batches(7))
    assert read_events_python(in_chunks, RULES).columns.to_pylist() == expected


@pytest.mark.parametrize("field", ["Samples", "TimeStamp", "LogTime", "EventId"])
def test_large_events_are_not_held_together(field):
    texts = pa.array([ev(**{field: [0.5] * 3000})] * 60, pa.string())
    rows = {"ev": texts, "ts": pa.nulls(60, pa.string()), "eventdate": pa.nulls(60, pa.int64())}
    table = pa.table(rows)
    tracemalloc.start()
    try:
        read_events_python(table, RULES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * texts.nbytes, "all events at once are eight times their texts and more"


def test_no_rows_are_an_empty_table_of_the_same_schema():
    empty = pa.table(
        {
            "ev": pa.array([], pa.string()),
            "ts": pa.array([], pa.string()),
            "eventdate": pa.array([], pa.int64()),
        }
    )
    found = read_events_python(empty, RULES)
    assert found.columns.schema == EVENT_SCHEMA == read(ev()).columns.schema
    assert found.columns.num_rows == 0
