"""The heart of clean: an Arrow batch of raw rows → an Arrow batch of what their events say.

A pure function of the batch and the rules, so that it can run in a thread, in another process, or as the
native kernel (`kernel/`), which gives the same bytes.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_64_intdigest

from services.clean import timestamps
from services.clean.common_times import common_times
from services.clean.event_key import content_hashes, id_key, present
from services.contracts.tables import EV_STATUSES, TIMESTAMP, TIMESTAMP_SOURCES, TIMESTAMP_STATUSES

MAX_EV_BYTES = 1_048_576
MAX_EV_DEPTH = 100
_PIECE_BYTES = 32_768
"""Text that is read at once: its events stay in the processor's cache from one step to the next."""
_SCALARS = {str, int, float, bool, type(None)}
_EV_STATUS = {name: code for code, name in enumerate(EV_STATUSES)}
_TIMESTAMP_STATUS = np.array(
    [[TIMESTAMP_STATUSES.index(name) for name in row] for row in (("ok", "fallback"), ("missing", "invalid"))], np.int8
)
"""By whether no candidate is valid, and by whether one was passed over."""


class Rules(NamedTuple):
    """What the settings and the week decide."""

    lowest_us: int
    """The earliest valid time, µs since 1970, included."""
    highest_us: int
    """The latest, included."""
    day_first: bool
    volatile: tuple[str, ...]

    def plausible(self, time: Any) -> Any:
        """Whether a time, or each of an array of times, lies within the window."""
        return (self.lowest_us <= time) & (time <= self.highest_us)


class Events(NamedTuple):
    """What a batch's events say."""

    columns: pa.RecordBatch
    """One row per row of the batch; the columns of `EVENT_SCHEMA`."""
    unusable: dict[tuple[str, int | None], int]
    """Candidates passed over, by name and by the year they claim (None: they are no time at all)."""


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
    """The reference kernel: reads columns ev, ts and eventdate."""
    ev = batch["ev"].cast(pa.string())
    texts = ev.cast(pa.binary()).to_pylist()
    ev_statuses: list[int] = []
    time_stamps: list[object] = []
    log_times: list[object] = []
    event_ids: list[object] = []
    contents: list[str] = []
    for piece, suspicious in _pieces(ev):
        statuses, events = _parse(texts[piece], suspicious=suspicious)
        ev_statuses += statuses
        time_stamps += _light([event.get("TimeStamp") for event in events], lambda _: True)  # there, and no time either
        log_times += _light([event.get("LogTime") for event in events], lambda _: True)
        event_ids += _light([event.get("EventId") for event in events], id_key)
        contents += content_hashes(events, rules.volatile)
    candidates = (time_stamps, log_times, batch["ts"].cast(pa.string()), batch["eventdate"])
    times, sources, time_statuses, unusable = _resolve(candidates, rules)
    with_id = list(map(present, event_ids))
    # Source 0 is a TimeStamp, which is therefore present.
    without_time_stamp = [place for place in np.flatnonzero(sources).tolist() if not present(time_stamps[place])]
    keys, payloads = _keys(without_time_stamp, with_id, event_ids, contents)
    key_hashes = [0 if key is None else xxh3_64_intdigest(key.encode()) for key in keys]
    columns = [
        pa.array(times, mask=sources < 0).cast(TIMESTAMP),
        _codes(pa.array(sources, mask=sources < 0), TIMESTAMP_SOURCES),
        _codes(pa.array(time_statuses), TIMESTAMP_STATUSES),
        pa.array(keys, pa.string()),
        pa.array(key_hashes, pa.uint64()),
        _codes(pa.array(ev_statuses, pa.int8()), EV_STATUSES),
        pa.array(payloads, pa.binary(16)),
        pa.array(with_id, pa.bool_()),
    ]
    return Events(pa.RecordBatch.from_arrays(columns, schema=EVENT_SCHEMA), unusable)


def _pieces(texts: pa.StringArray) -> Iterator[tuple[slice, bool]]:
    """Rows with little text, and whether one of them is too big or has brackets enough to be too deep."""
    if not len(texts):
        return
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    opening = np.frombuffer(content or b"", np.uint8)[ends[0] : ends[-1]] | 0x20 == ord("{")  # "[" lacks that bit
    ends = ends - ends[0]
    suspicious = np.diff(ends) > MAX_EV_BYTES
    if np.count_nonzero(opening) * 8 > len(opening):  # their places would take more memory than the texts
        suspicious[:] = True
    else:
        suspicious |= np.diff(np.searchsorted(np.flatnonzero(opening), ends)) > MAX_EV_DEPTH
    edges = np.flatnonzero(np.diff(ends[1:] // _PIECE_BYTES)) + 1
    for start, stop in pairwise([0, *edges.tolist(), len(texts)]):
        yield slice(start, stop), bool(suspicious[start:stop].any())


def _parse(texts: list[Any], *, suspicious: bool) -> tuple[list[int], list[dict[str, object]]]:
    """The codes of the ev_statuses and the events of texts (bytes or None), one by one only where it must be."""
    if suspicious:
        parsed = [parse_ev(text) for text in texts]
        return [_EV_STATUS[status] for status, _ in parsed], [event for _, event in parsed]
    events: list[Any] = []
    reading = map(orjson.loads, texts)
    while len(events) < len(texts):
        try:
            events.extend(reading)
        except orjson.JSONDecodeError:  # what was read before it is there
            events.append(None)
    statuses = [_EV_STATUS["ok"]] * len(events)
    for place in [place for place, event in enumerate(events) if not isinstance(event, dict)]:
        status, events[place] = parse_ev(texts[place])
        statuses[place] = _EV_STATUS[status]
    return statuses, events


def parse_ev(ev: bytes | None) -> tuple[str, dict[str, object]]:
    """The ev_status and the event; only an event with status `ok` is looked into, others are empty."""
    if ev is None:
        return "null", {}
    if len(ev) > MAX_EV_BYTES:
        return "too_big", {}
    if ev.count(b"{") + ev.count(b"[") > MAX_EV_DEPTH and _depth(ev) > MAX_EV_DEPTH:
        return "too_deep", {}
    try:
        event = orjson.loads(ev)
    except orjson.JSONDecodeError:
        return "not_json", {}
    return ("ok", event) if isinstance(event, dict) else ("not_object", {})


def _light(values: list[object], part: Callable[[object], object]) -> list[object]:
    """The values, of lists and objects only a part: they would keep much of their event in memory."""
    if _SCALARS.issuperset(map(type, values)):
        return values
    return [value if type(value) in _SCALARS else part(value) for value in values]


def _keys(
    without_time_stamp: list[int], with_id: list[bool], event_ids: list[object], contents: list[str]
) -> tuple[list[str | None], list[bytes | None]]:
    """Event keys, and payload hashes of the rows that their EventId is the key of."""
    keys: list[str | None] = list(contents)
    payloads: list[bytes | None] = [None] * len(contents)
    for place in without_time_stamp:
        keys[place] = id_key(event_ids[place]) if with_id[place] else None
        payloads[place] = bytes.fromhex(contents[place]) if with_id[place] else None
    return keys, payloads


def candidate_time(position: int, value: object, rules: Rules) -> int | None:
    """The time that the candidate at a position of TIMESTAMP_SOURCES claims, plausible or not."""
    if TIMESTAMP_SOURCES[position] == "eventdate":
        return timestamps.from_nanoseconds(value) if isinstance(value, int) else None
    return timestamps.from_json(value, day_first=rules.day_first)


def _resolve(
    candidates: tuple[list[object] | pa.Array, ...], rules: Rules
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[tuple[str, int | None], int]]:
    """Times, sources (-1: none, and no time) and statuses, from a column of each candidate; the candidates passed over.

    Candidate by candidate, the first for all rows and each other for the rows that are left.
    """
    rows = len(candidates[0])
    times, sources = np.zeros(rows, np.int64), np.full(rows, -1, np.int8)
    passed_over = np.zeros(rows, bool)
    unusable: Counter[tuple[str, int | None]] = Counter()
    left = np.arange(rows)
    for position, column in enumerate(candidates):
        if not len(left):
            break
        values = _picked(column, left)
        # Nearly all times have the common form; only the others are looked at one by one.
        read = pc.fill_null(common_times(values), rules.lowest_us - 1).to_numpy().copy()
        for place in np.flatnonzero(~rules.plausible(read)).tolist():
            if not present(values[place]):
                continue
            time = candidate_time(position, values[place], rules)
            if time is not None and rules.plausible(time):
                read[place] = time
            else:
                passed_over[left[place]] = True
                unusable[TIMESTAMP_SOURCES[position], None if time is None else timestamps.year_of(time)] += 1
        good = rules.plausible(read)
        times[left[good]], sources[left[good]] = read[good], position
        left = left[~good]
    return times, sources, _TIMESTAMP_STATUS[(sources < 0).astype(int), passed_over.astype(int)], dict(unusable)


def _picked(column: list[object] | pa.Array, places: np.ndarray) -> list[object]:
    if isinstance(column, pa.Array):
        return column.take(pa.array(places)).to_pylist()
    return column if len(places) == len(column) else [column[place] for place in places.tolist()]


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


def _codes(codes: pa.Array, names: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string()))
