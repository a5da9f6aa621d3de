"""Ordinary events, whole columns at a time: what nearly every row of a drop looks like.

Everything about an event is drawn from its id; only the *volatile* fields (LogTime, UploadTime, SeqNo, BatchId) and
what the server adds (ts, eventdate) are drawn from the upload, so that a guest row is a re-send as it comes.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.sample.draws import Flags, Ints, Numbers, below, draw, uniform
from services.sample.fleet import Fleet
from services.sample.messages import FIRST_ERROR_LEVEL, FIRST_OF_LEVEL, MESSAGES, SPELLINGS

SECOND, DAY = 1_000_000, 86_400_000_000
"""Microseconds."""

# Cumulative shares of Info, Warning, Error (the rest is Critical) on a usual device and on an anomalous one.
_USUAL = (0.82, 0.967, 0.996)
_ANOMALOUS = (0.35, 0.50, 0.92)
_LATE = 0.03
_NO_EVENT_ID = 0.03
_STAMP_ENDINGS = ("Z",) * 14 + ("+00:00",) * 3 + ("",) * 3
_BLANK_INSTEAD_OF_T = 0.1


class Shown(NamedTuple):
    """Which event each row shows, its number in the log (unique in a week), and in which upload (0 = the first)."""

    ids: Numbers
    record: Ints
    role: Ints


class Events(NamedTuple):
    """One entry per row. Times are UTC µs since 1970, named as the candidates of the data contract."""

    device: Ints
    level: Ints
    cat: pa.Array
    ev: pa.Array
    stamp: Ints
    log: Ints
    ts: Ints
    eventdate: Ints


def events(week: str, fleet: Fleet, shown: Shown) -> Events:
    ids, uploads = shown.ids, _uploads(shown.ids, shown.role)
    device = np.searchsorted(fleet.busy, uniform(ids, 1), side="right")
    level = _levels(ids, fleet.anomalous[device])
    stamp = _stamps(week, ids, device, (level >= FIRST_ERROR_LEVEL) & fleet.anomalous[device])
    received = (stamp // SECOND + 100 + below(uploads, 2, 3_600)) * SECOND
    return Events(
        device=device,
        level=level,
        cat=_categories(ids, level),
        ev=_ev(shown, uploads, level, stamp),
        stamp=stamp,
        log=log_times(ids, shown.role, stamp),
        ts=received,
        eventdate=received + 1_000 * below(uploads, 3, 600_000),
    )


def log_times(ids: Numbers, role: Ints, stamp: Ints) -> Ints:
    """When the given upload of each event was logged: seconds after the event."""
    return stamp + 1_000 * (1_000 + below(_uploads(ids, role), 1, 90_000))


def week_start(week: str) -> int:
    return (date.fromisoformat(week) - date(1970, 1, 1)).days * DAY


def seconds_text(times: Ints) -> pa.Array:
    """`2024-05-08 10:00:00`"""
    return pa.array(times // SECOND).view(pa.timestamp("s")).cast(pa.string())


def _uploads(ids: Numbers, role: Ints) -> Numbers:
    return draw(ids + (role.astype(np.uint64) << np.uint64(56)), 2)


def _levels(ids: Numbers, anomalous: Flags) -> Ints:
    chance = uniform(ids, 3)
    usual, unusual = (np.searchsorted(np.array(shares), chance, side="right") for shares in (_USUAL, _ANOMALOUS))
    return np.where(anomalous, unusual, usual)


def _stamps(week: str, ids: Numbers, device: Ints, burst: Flags) -> Ints:
    """Whole ms in [week - 7 days, week + 1 day), some earlier; a device's burst is half an hour, one of three."""
    start = week_start(week) - 7 * DAY
    usual = start + 1_000 * below(ids, 4, 8 * DAY // 1_000)
    late = start - 1_000 * below(ids, 5, 35 * DAY // 1_000)
    bursts = draw(device.astype(np.uint64) + np.uint64(start) * np.uint64(3), 6) + draw(ids, 7) % np.uint64(3)
    burst_time = start + 1_000 * (below(bursts, 8, 7 * DAY // 1_000) + below(ids, 9, 1_800_000))
    return np.where(burst, burst_time, np.where(uniform(ids, 10) < _LATE, late, usual))


def _categories(ids: Numbers, level: Ints) -> pa.Array:
    spelling = np.where(uniform(ids, 11) < 0.9, 0, below(ids, 12, len(SPELLINGS[0])))
    words = pa.array([word for spellings in SPELLINGS for word in spellings])
    return words.take(pa.array(level * len(SPELLINGS[0]) + spelling))


def _ev(shown: Shown, uploads: Numbers, level: Ints, stamp: Ints) -> pa.Array:
    ids, log = shown.ids, log_times(shown.ids, shown.role, stamp)
    counts = np.diff(FIRST_OF_LEVEL)[level]
    message = np.array(FIRST_OF_LEVEL)[level] + (draw(ids, 13) % counts.astype(np.uint64)).astype(np.int64)
    first, second = (_numbers(ids, 14 + place, message, place) for place in (0, 1))
    pieces = [
        _event_id(ids),
        '"TimeStamp":"', _stamp_text(ids, stamp), '",',
        _fragment(message, 0), first, _fragment(message, 1), second, _fragment(message, 2),
        ',"RecordId":', _text(shown.record),
        ',"LogTime":"', _iso(log),
        'Z","UploadTime":"', seconds_text(log + 1_000_000 * below(uploads, 4, 20_000)),
        'Z","SeqNo":', _text(below(uploads, 5, 100_000)),
        ',"BatchId":"b', _text(below(uploads, 6, 10_000)), '"}',
    ]  # fmt: skip
    return pc.binary_join_element_wise(*pieces, "")


def _event_id(ids: Numbers) -> pa.Array:
    with_id = pc.binary_join_element_wise('{"EventId":"', _guids(ids), '",', "")
    return pc.if_else(pa.array(uniform(ids, 16) < _NO_EVENT_ID), "{", with_id)


def _guids(ids: Numbers) -> pa.Array:
    raw = np.stack([draw(ids, 17), draw(ids, 18)], axis=1).view(np.uint8)
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    text = np.full((len(ids), 36), ord("-"), dtype=np.uint8)
    places = np.array([place for place in range(36) if place not in (8, 13, 18, 23)])
    text[:, places[0::2]] = digits[raw >> 4]
    text[:, places[1::2]] = digits[raw & 15]
    ends = np.arange(len(ids) + 1, dtype=np.int32) * 36
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(ends), pa.py_buffer(text.tobytes()))


def _stamp_text(ids: Numbers, stamp: Ints) -> pa.Array:
    endings = pa.array(_STAMP_ENDINGS).take(pa.array(below(ids, 19, len(_STAMP_ENDINGS))))
    blank = pa.array(uniform(ids, 20) < _BLANK_INSTEAD_OF_T)
    return pc.binary_join_element_wise(pc.if_else(blank, _milliseconds(stamp), _iso(stamp)), endings, "")


def _iso(times: Ints) -> pa.Array:
    return pc.binary_replace_slice(_milliseconds(times), 10, 11, "T")


def _milliseconds(times: Ints) -> pa.Array:
    return pa.array(times // 1_000).view(pa.timestamp("ms")).cast(pa.string())


def _fragment(message: Ints, place: int) -> pa.Array:
    return pa.array([entry.fragments[place] for entry in MESSAGES]).take(pa.array(message))


def _numbers(ids: Numbers, salt: int, message: Ints, place: int) -> pa.Array:
    low, high = (np.array([entry.ranges[place][end] for entry in MESSAGES])[message] for end in (0, 1))
    return _text(low + (draw(ids, salt) % (high - low).astype(np.uint64)).astype(np.int64))


def _text(numbers: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(numbers).cast(pa.string())
