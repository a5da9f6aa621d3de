"""The heart of clean: an Arrow batch of raw rows → an Arrow batch of what their events say.

A pure function of the batch and the rules, so that it can run in a thread, in another process, or as the
native kernel (`kernel/`), which gives the same bytes.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import orjson
import pyarrow as pa
from xxhash import xxh3_64_intdigest

from services.clean import timestamps
from services.clean.event_key import content_hash, id_key, present
from services.contracts.tables import EV_STATUSES, TIMESTAMP, TIMESTAMP_SOURCES, TIMESTAMP_STATUSES

MAX_EV_BYTES = 1_048_576
MAX_EV_DEPTH = 100
_EV_STATUS = {name: code for code, name in enumerate(EV_STATUSES)}
_TIMESTAMP_STATUS = {name: code for code, name in enumerate(TIMESTAMP_STATUSES)}


class Rules(NamedTuple):
    """What the settings and the week decide."""

    lowest_us: int
    """The earliest valid time, µs since 1970, included."""
    highest_us: int
    """The latest, included."""
    day_first: bool
    volatile: tuple[str, ...]


class Events(NamedTuple):
    """What a batch's events say."""

    columns: pa.RecordBatch
    """One row per row of the batch; the columns of `EVENT_SCHEMA`."""
    unusable: dict[tuple[str, int | None], int]
    """Candidates passed over, by name and by the year they claim (None: they are no time at all)."""


def _named(values: Iterable[str]) -> pa.Array:
    return pa.array(list(values), pa.string())


_CODES = pa.dictionary(pa.int8(), pa.string())
EVENT_SCHEMA = pa.schema(
    [
        ("valid_timestamp", TIMESTAMP),
        ("timestamp_source", _CODES),
        ("timestamp_status", _CODES),
        ("event_key", pa.string()),
        ("key_hash", pa.uint64()),
        ("ev_status", _CODES),
        ("payload_hash", pa.binary(16)),
        ("has_event_id", pa.bool_()),
    ]
)
"""`key_hash`: XXH3-64 of the key, 0 without one: numbers are compared sooner than texts. `payload_hash`: of rows whose
key is their EventId, the hash that tells whether their contents agree."""


def window_rules(week: str, *, before: int, after: int, day_first: bool, volatile: tuple[str, ...]) -> Rules:
    """The rules for a week's drop: plausible is what lies within so many days of the week's 00:00 UTC."""
    midnight = dt.datetime.fromisoformat(week).replace(tzinfo=dt.UTC)
    seconds = int(midnight.timestamp())
    return Rules((seconds - before * 86_400) * 10**6, (seconds + after * 86_400) * 10**6, day_first, volatile)


def read_events_python(batch: pa.RecordBatch, rules: Rules) -> Events:
    """The reference kernel: reads columns ev, ts and eventdate row by row."""
    rows = zip(batch["ev"].to_pylist(), batch["ts"].to_pylist(), batch["eventdate"].to_pylist(), strict=True)
    unusable: Counter[tuple[str, int | None]] = Counter()
    read = [_read_row(ev, ts, eventdate, rules, unusable) for ev, ts, eventdate in rows]
    times, sources, statuses, keys, ev_statuses, payloads, with_id = zip(*read, strict=True) if read else ([],) * 7
    key_hashes = [0 if key is None else xxh3_64_intdigest(key.encode()) for key in keys]
    columns = [
        pa.array(times, pa.int64()).cast(TIMESTAMP),
        _codes(sources, TIMESTAMP_SOURCES),
        _codes(statuses, TIMESTAMP_STATUSES),
        pa.array(keys, pa.string()),
        pa.array(key_hashes, pa.uint64()),
        _codes(ev_statuses, EV_STATUSES),
        pa.array(payloads, pa.binary(16)),
        pa.array(with_id, pa.bool_()),
    ]
    return Events(pa.RecordBatch.from_arrays(columns, schema=EVENT_SCHEMA), dict(unusable))


_Row = tuple[int | None, int | None, int, str | None, int, bytes | None, bool]
"""What one row's event says: the columns of `EVENT_SCHEMA` without key_hash; a named tuple takes a while to make."""


def _read_row(
    ev: str | None, ts: str | None, eventdate: int | None, rules: Rules, unusable: Counter[tuple[str, int | None]]
) -> _Row:
    status, event = parse_ev(ev)
    candidates = (event.get("TimeStamp"), event.get("LogTime"), ts, eventdate)
    time, source, time_status = _resolve(candidates, rules, unusable)
    event_id = event.get("EventId")
    with_id = present(event_id)
    key, payload = None, None
    if present(candidates[0]):
        key = content_hash(event, rules.volatile).hexdigest()
    elif with_id:
        key, payload = id_key(event_id), content_hash(event, rules.volatile).digest()
    return time, source, time_status, key, _EV_STATUS[status], payload, with_id


def parse_ev(ev: str | None) -> tuple[str, dict[str, object]]:
    """The ev_status and the event; only an event with status `ok` is looked into, others are empty."""
    if ev is None:
        return "null", {}
    content = ev.encode()
    if len(content) > MAX_EV_BYTES:
        return "too_big", {}
    # Most events have few brackets; only the others are worth the walk.
    if content.count(b"{") + content.count(b"[") > MAX_EV_DEPTH and _depth(content) > MAX_EV_DEPTH:
        return "too_deep", {}
    try:
        event = orjson.loads(content)
    except orjson.JSONDecodeError:
        return "not_json", {}
    return ("ok", event) if isinstance(event, dict) else ("not_object", {})


def candidate_time(position: int, value: object, rules: Rules) -> int | None:
    """The time that the candidate at a position of TIMESTAMP_SOURCES claims, plausible or not."""
    if TIMESTAMP_SOURCES[position] == "eventdate":
        return timestamps.from_nanoseconds(value) if isinstance(value, int) else None
    return timestamps.from_json(value, day_first=rules.day_first)


def _resolve(
    candidates: tuple[object, ...], rules: Rules, unusable: Counter[tuple[str, int | None]]
) -> tuple[int | None, int | None, int]:
    """Time, source and status: the first candidate that is a time within the window."""
    passed_over = 0
    for position, value in enumerate(candidates):
        if not present(value):
            continue
        time = candidate_time(position, value, rules)
        if time is not None and rules.lowest_us <= time <= rules.highest_us:
            return time, position, _TIMESTAMP_STATUS["fallback" if passed_over else "ok"]
        passed_over += 1
        unusable[TIMESTAMP_SOURCES[position], None if time is None else timestamps.year_of(time)] += 1
    return None, None, _TIMESTAMP_STATUS["invalid" if passed_over else "missing"]


def _depth(content: bytes) -> int:
    """The deepest nesting that a bracket counter sees outside of strings, in valid JSON or not."""
    deepest = depth = 0
    in_string = escaped = False
    for byte in content:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            else:
                in_string = byte != 0x22
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth = max(depth - 1, 0)
    return deepest


def _codes(codes: Iterable[int | None], names: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(list(codes), pa.int8()), _named(names))
