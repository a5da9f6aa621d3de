"""The heart of clean: an Arrow table of raw rows → an Arrow table of what their events say.

A pure function of the rows and the rules, so that it can run in a thread, in another process, or as the
native kernel (`kernel/`), which gives the same bytes.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise, repeat
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from services.clean import timestamps
from services.clean.common_times import common_times
from services.clean.event_key import content_hashes, id_key, key_hash
from services.clean.fields import Column, Field
from services.contracts.tables import EV_STATUSES, TIMESTAMP, TIMESTAMP_SOURCES, TIMESTAMP_STATUSES

MAX_EV_BYTES = 1_048_576
MAX_EV_DEPTH = 100
_PIECE_BYTES = 32_768
"""Text that is read at once: its events stay in the processor's cache from one step to the next."""
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
    """What rows' events say."""

    columns: pa.Table
    """One row per row that was read; the columns of `EVENT_SCHEMA`."""
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
"""`key_hash`: see there, 0 without a key; numbers are compared sooner than texts. `payload_hash`: of rows whose key is
their EventId, the hash that tells whether their contents agree."""


def window_rules(week: str, *, before: int, after: int, day_first: bool, volatile: tuple[str, ...]) -> Rules:
    """The rules for a week's drop: plausible is what lies within so many days of the week's 00:00 UTC."""
    midnight = dt.datetime.fromisoformat(week).replace(tzinfo=dt.UTC)
    seconds = int(midnight.timestamp())
    return Rules((seconds - before * 86_400) * 10**6, (seconds + after * 86_400) * 10**6, day_first, volatile)


def read_events_python(rows: pa.Table, rules: Rules) -> Events:
    """The reference kernel: reads columns ev, ts and eventdate."""
    said = _Said()
    for texts in rows["ev"].cast(pa.string()).chunks:
        said.add(texts, rules.volatile)
    time_stamps, log_times, event_ids = (field.column() for field in (said.time_stamps, said.log_times, said.event_ids))
    ts = Column(rows["ts"].cast(pa.string()).combine_chunks(), {})
    times, sources, time_statuses, unusable = _resolve((time_stamps, log_times, ts), rows["eventdate"], rules)
    unstamped = ~time_stamps.present
    ids = pc.if_else(event_ids.present, event_ids.texts, None).filter(pa.array(unstamped))
    keys, key_hashes, payloads = _keys(said.hashes, unstamped, ids)
    columns = {
        "valid_timestamp": pa.array(times, mask=sources < 0).cast(TIMESTAMP),
        "timestamp_source": _codes(pa.array(sources, mask=sources < 0), TIMESTAMP_SOURCES),
        "timestamp_status": _codes(pa.array(time_statuses), TIMESTAMP_STATUSES),
        "event_key": keys,
        "key_hash": key_hashes,
        "ev_status": _codes(pa.array(np.frombuffer(said.ev_statuses, np.int8)), EV_STATUSES),
        "payload_hash": payloads,
        "has_event_id": event_ids.present,
    }
    return Events(pa.table(columns, schema=EVENT_SCHEMA), unusable)


class _Said:
    """What the JSON of rows says, as it grows."""

    def __init__(self) -> None:
        self.ev_statuses, self.hashes = bytearray(), bytearray()
        self.time_stamps, self.log_times = Field(_time_part), Field(_time_part)
        self.event_ids = Field(id_key)

    def add(self, ev: pa.StringArray, volatile: tuple[str, ...]) -> None:
        """Read the next rows."""
        texts = ev.cast(pa.binary())
        for piece, suspicious in _pieces(ev):
            statuses, events = _parse(texts[piece].to_pylist(), suspicious=suspicious)
            self.ev_statuses += statuses
            self.time_stamps.add(_values(events, "TimeStamp"))
            self.log_times.add(_values(events, "LogTime"))
            self.event_ids.add(_values(events, "EventId"))
            self.hashes += b"".join(content_hashes(events, volatile))


def _time_part(value: Any) -> Any:
    """Of a list or an object only that it is there: it would keep much of its event in memory."""
    return value if isinstance(value, (int, float)) else True


def _values(events: list[dict[str, Any]], name: str) -> list[Any]:
    return list(map(dict.get, events, repeat(name), repeat("")))  # nothing there: the same as an empty text


def _pieces(texts: pa.StringArray) -> Iterator[tuple[slice, bool]]:
    """Rows with little text, and whether one of them is too big or has brackets enough to be too deep."""
    if not len(texts):
        return
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    opening = np.frombuffer(content or b"", np.uint8)[ends[0] : ends[-1]] | 0x20 == ord("{")  # "[" lacks that bit
    ends = ends - ends[0]
    # Counted by 64 characters, which is many times as fast: a text counts for its neighbours' few, too.
    whole = len(opening) // 64 * 64
    counts = np.bitwise_count(np.packbits(opening[:whole]).view(np.uint64))
    before = np.zeros(len(counts) + 2, np.int64)
    np.cumsum(counts, out=before[1:-1])
    before[-1] = before[-2] + np.count_nonzero(opening[whole:])
    brackets = before[-(-ends[1:] // 64)] - before[ends[:-1] // 64]
    suspicious = (np.diff(ends) > MAX_EV_BYTES) | (brackets > MAX_EV_DEPTH)
    edges = np.flatnonzero(np.diff(ends[1:] // _PIECE_BYTES)) + 1
    for start, stop in pairwise([0, *edges.tolist(), len(texts)]):
        yield slice(start, stop), bool(suspicious[start:stop].any())


def _parse(texts: list[Any], *, suspicious: bool) -> tuple[bytearray, list[dict[str, object]]]:
    """The codes of the ev_statuses and the events of texts (bytes or None), one by one only where it must be."""
    if suspicious:
        parsed = [parse_ev(text) for text in texts]
        return bytearray(_EV_STATUS[status] for status, _ in parsed), [event for _, event in parsed]
    events: list[Any] = []
    reading = map(orjson.loads, texts)
    while len(events) < len(texts):
        try:
            events.extend(reading)
        except orjson.JSONDecodeError:  # what was read before it is there
            events.append(None)
    statuses = bytearray([_EV_STATUS["ok"]]) * len(events)
    if not {dict}.issuperset(map(type, events)):
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


def _keys(
    hashes: bytearray, unstamped: np.ndarray, ids: pa.StringArray
) -> tuple[pa.StringArray, np.ndarray, pa.FixedSizeBinaryArray]:
    """Event keys, their hashes, and the payload hashes, of rows whose contents have these hashes.

    `unstamped`: which rows have no TimeStamp, so that their EventId is the key: `ids`.
    """
    digests = np.frombuffer(hashes, np.uint8).reshape(-1, 16)
    rows = len(digests)
    hexadecimal = pa.Array.from_buffers(pa.binary(32), rows, [None, pa.py_buffer(hashes.hex().encode())])
    has_payload = np.zeros(rows, bool)
    has_payload[unstamped] = ids.is_valid()
    keys = pc.replace_with_mask(hexadecimal.cast(pa.string()), unstamped, ids)
    key_hashes = digests[:, :8].copy().view(">u8").ravel().astype(np.uint64)
    key_hashes[unstamped] = [0 if key is None else key_hash(key) for key in ids.to_pylist()]
    payloads = pa.Array.from_buffers(pa.binary(16), rows, [None, pa.py_buffer(hashes)])
    return keys, key_hashes, pc.if_else(has_payload, payloads, None)


def candidate_time(position: int, value: object, rules: Rules) -> int | None:
    """The time that the candidate at a position of TIMESTAMP_SOURCES claims, plausible or not."""
    if TIMESTAMP_SOURCES[position] == "eventdate":
        return timestamps.from_nanoseconds(value) if isinstance(value, int) else None
    return timestamps.from_json(value, day_first=rules.day_first)


def _resolve(
    columns: Sequence[Column], eventdate: pa.ChunkedArray, rules: Rules
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[tuple[str, int | None], int]]:
    """Times, sources (-1: none, and no time) and statuses, from a column of each candidate; the candidates passed over.

    `columns`: those of all candidates but eventdate. Candidate by candidate, the first for all rows and each other for
    the rows that are left.
    """
    rows = len(eventdate)
    times, sources = np.zeros(rows, np.int64), np.full(rows, -1, np.int8)
    passed_over = np.zeros(rows, bool)
    unusable: Counter[tuple[str, int | None]] = Counter()
    left = np.arange(rows)
    readers = [*(partial(_read_times, column) for column in columns), partial(_read_eventdates, eventdate)]
    for position, (name, read_rows) in enumerate(zip(TIMESTAMP_SOURCES, readers, strict=True)):
        if not len(left):
            break
        read, known, others = read_rows(left)
        good = known & rules.plausible(read)
        far = known & ~good
        unusable.update((name, timestamps.year_of(time)) for time in read[far].tolist())
        passed_over[left[far]] = True
        for place, value in others:
            time = candidate_time(position, value, rules)
            if time is not None and rules.plausible(time):
                read[place], good[place] = time, True
            else:
                passed_over[left[place]] = True
                unusable[name, None if time is None else timestamps.year_of(time)] += 1
        times[left[good]], sources[left[good]] = read[good], position
        left = left[~good]
    return times, sources, _TIMESTAMP_STATUS[(sources < 0).astype(int), passed_over.astype(int)], dict(unusable)


_Read = tuple[np.ndarray, np.ndarray, Iterator[tuple[int, object]]]
"""Times, which of them are known, and place and value of others that are present, to be looked at one by one."""


def _read_times(column: Column, rows: np.ndarray) -> _Read:
    """Nearly all times have a common form."""
    texts = column.texts if len(rows) == len(column.texts) else column.texts.take(pa.array(rows))
    times, known = common_times(texts)
    unknown = np.flatnonzero(~known & column.present[rows])
    others = zip(unknown.tolist(), rows[unknown].tolist(), texts.take(pa.array(unknown)).to_pylist(), strict=True)
    return times, known, ((place, column.others.get(row, text)) for place, row, text in others)


def _read_eventdates(column: pa.ChunkedArray, rows: np.ndarray) -> _Read:
    dates = column.take(pa.array(rows))
    known = dates.is_valid().to_numpy()
    return timestamps.from_nanoseconds(pc.fill_null(dates, 0).to_numpy()), known, iter(())


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
