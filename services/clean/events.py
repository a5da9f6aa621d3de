"""The heart of clean: an Arrow table of raw rows → an Arrow table of what their events say.

A pure function of the rows and the rules, so that it can run in a thread, in another process, or as the
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

from services.clean import timestamps
from services.clean.common_times import common_times, strings
from services.clean.event_key import content_hashes, id_key, key_hash, present
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
    """What rows' events say."""

    columns: pa.Table
    """One row per row that was read; the columns of `EVENT_SCHEMA`."""
    unusable: dict[tuple[str, int | None], int]
    """Candidates passed over, by name and by the year they claim (None: they are no time at all)."""


_HEXADECIMAL = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)
"""The two digits of a byte."""
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
    said = _Fields()
    for texts in rows["ev"].cast(pa.string()).chunks:
        said.add(texts, rules.volatile)
    candidates = (said.time_stamps, said.log_times, rows["ts"].cast(pa.string()), rows["eventdate"])
    times, sources, time_statuses, unusable = _resolve(candidates, rules)
    with_id = np.fromiter(map(present, said.event_ids), bool, len(said.event_ids))
    # Source 0 is a TimeStamp, which is therefore present.
    unstamped = [place for place in np.flatnonzero(sources).tolist() if not present(said.time_stamps[place])]
    ids = [id_key(said.event_ids[place]) if with_id[place] else None for place in unstamped]
    keys, key_hashes, payloads = _keys(b"".join(said.hashes), unstamped, ids)
    columns = {
        "valid_timestamp": pa.array(times, mask=sources < 0).cast(TIMESTAMP),
        "timestamp_source": _codes(pa.array(sources, mask=sources < 0), TIMESTAMP_SOURCES),
        "timestamp_status": _codes(pa.array(time_statuses), TIMESTAMP_STATUSES),
        "event_key": keys,
        "key_hash": key_hashes,
        "ev_status": _codes(pa.array(np.frombuffer(said.ev_statuses, np.int8)), EV_STATUSES),
        "payload_hash": payloads,
        "has_event_id": with_id,
    }
    return Events(pa.table(columns, schema=EVENT_SCHEMA), unusable)


class _Fields:
    """What the JSON of rows says, row by row, as it grows."""

    def __init__(self) -> None:
        self.ev_statuses = bytearray()
        self.time_stamps: list[object] = []
        self.log_times: list[object] = []
        self.event_ids: list[object] = []
        self.hashes: list[bytes] = []

    def add(self, ev: pa.StringArray, volatile: tuple[str, ...]) -> None:
        """Read the next rows."""
        texts = ev.cast(pa.binary())
        for piece, suspicious in _pieces(ev):
            statuses, events = _parse(texts[piece].to_pylist(), suspicious=suspicious)
            self.ev_statuses += statuses
            # Whether one that is no text is there is all that is asked of it.
            self.time_stamps += _light([event.get("TimeStamp") for event in events], lambda _: True)
            self.log_times += _light([event.get("LogTime") for event in events], lambda _: True)
            self.event_ids += _light([event.get("EventId") for event in events], id_key)
            self.hashes += content_hashes(events, volatile)


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


def _light(values: list[object], part: Callable[[object], object]) -> list[object]:
    """The values, of lists and objects only a part: they would keep much of their event in memory."""
    if _SCALARS.issuperset(map(type, values)):
        return values
    return [value if type(value) in _SCALARS else part(value) for value in values]


def _keys(
    hashes: bytes, unstamped: list[int], ids: list[str | None]
) -> tuple[pa.StringArray, np.ndarray, pa.FixedSizeBinaryArray]:
    """Event keys, their hashes, and the payload hashes, of rows whose contents have these hashes.

    `unstamped`: the rows that have no TimeStamp, so that their EventId is the key.
    """
    digests = np.frombuffer(hashes, np.uint8).reshape(-1, 16)
    rows = len(digests)
    hexadecimal = pa.Array.from_buffers(pa.binary(32), rows, [None, pa.py_buffer(_HEXADECIMAL[digests])])
    by_id, has_payload = np.zeros((2, rows), bool)
    by_id[unstamped], has_payload[unstamped] = True, [key is not None for key in ids]
    keys = pc.replace_with_mask(hexadecimal.cast(pa.string()), by_id, pa.array(ids, pa.string()))
    key_hashes = digests[:, :8].copy().view(">u8").ravel().astype(np.uint64)
    key_hashes[unstamped] = [0 if key is None else key_hash(key) for key in ids]
    payloads = pa.Array.from_buffers(pa.binary(16), rows, [None, pa.py_buffer(hashes)])
    return keys, key_hashes, pc.if_else(has_payload, payloads, None)


def candidate_time(position: int, value: object, rules: Rules) -> int | None:
    """The time that the candidate at a position of TIMESTAMP_SOURCES claims, plausible or not."""
    if TIMESTAMP_SOURCES[position] == "eventdate":
        return timestamps.from_nanoseconds(value) if isinstance(value, int) else None
    return timestamps.from_json(value, day_first=rules.day_first)


def _resolve(
    candidates: tuple[list[object] | pa.ChunkedArray, ...], rules: Rules
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
        name = TIMESTAMP_SOURCES[position]
        # Nearly all times have the common form; only the others are looked at one by one.
        read, known = common_times(strings(values))
        good = known & rules.plausible(read)
        far = known & ~good
        unusable.update((name, timestamps.year_of(time)) for time in read[far].tolist())
        passed_over[left[far]] = True
        for place in np.flatnonzero(~known).tolist():
            if not present(values[place]):
                continue
            time = candidate_time(position, values[place], rules)
            if time is not None and rules.plausible(time):
                read[place], good[place] = time, True
            else:
                passed_over[left[place]] = True
                unusable[name, None if time is None else timestamps.year_of(time)] += 1
        times[left[good]], sources[left[good]] = read[good], position
        left = left[~good]
    return times, sources, _TIMESTAMP_STATUS[(sources < 0).astype(int), passed_over.astype(int)], dict(unusable)


def _picked(column: list[object] | pa.ChunkedArray, places: np.ndarray) -> list[object]:
    if isinstance(column, pa.ChunkedArray):
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
