"""The data contract of ingest, clean and feature once more, in plain Python and pandas, row by row.

It follows the text of the contract and shares no code with the product, so that where both agree the
agreement means something. Clarity comes before speed. Frames hold text as `object` (missing: None), integers
as `Int64`, times as `datetime64[us, UTC]` (missing: NaT) and other figures as floats (missing: NaN). Python
compares str by code point, which is the order of the UTF-8 bytes.
"""

from __future__ import annotations

import base64
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import xxhash

VOLATILE = ("LogTime", "UploadTime", "SeqNo", "BatchId")
UNKNOWN = "UNKNOWN"
LARGEST_EV_BYTES = 1_048_576
DEEPEST_EV = 100
INT64 = range(-(2**63), 2**63)
DAY = 86_400_000_000
"""Microseconds."""

# Unicode's White_Space property, spelled out: str.strip() also takes U+001C to U+001F, which do not have it.
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def trim(text: str) -> str:
    return text.strip(WHITE_SPACE)


# ---- ingest


class BadFilesError(ValueError):
    """The shape of some source files breaks the contract; the text names every fault of every file."""


def ingest(files: Mapping[str, pa.Table], week: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Source tables by file name → (raw, quarantine).

    raw: the source's columns, `pn` (trimmed, UNKNOWN), source_file, source_row; sorted by pn, service_tag,
    identity. quarantine: reason, source_file, source_row; sorted by identity. Raises BadFilesError.
    """
    date.fromisoformat(week)
    _require_accepted(files)
    disagreed = _disagreed_columns(files)
    raw: list[dict[str, Any]] = []
    quarantine: list[tuple[str, str, int]] = []
    for name, table in files.items():
        readers = [_reader(column, column in disagreed) for column in table.column_names]
        for number, scalars in enumerate(zip(*table.columns, strict=True)):
            row = _raw_row(table.column_names, readers, scalars)
            if isinstance(row, str):
                quarantine.append((row, name, number))
            else:
                raw.append({**row, "source_file": name, "source_row": number})
    raw.sort(key=lambda row: (row["pn"], row["service_tag"], row["source_file"], row["source_row"]))
    quarantine.sort(key=lambda row: row[1:])
    return _raw_frame(raw, files), _frame(
        {
            "reason": _text_column(row[0] for row in quarantine),
            "source_file": _text_column(row[1] for row in quarantine),
            "source_row": _int_column(row[2] for row in quarantine),
        }
    )


def _raw_row(
    columns: Sequence[str], readers: Sequence[Callable[[Any], Any]], scalars: Sequence[Any]
) -> dict[str, Any] | str:
    """The raw row, or the first reason that applies for which it has none."""
    try:
        cells = {
            name: read(value) if (value := _unwrapped(scalar)).is_valid else None
            for name, read, scalar in zip(columns, readers, scalars, strict=True)
        }
    except UnicodeDecodeError:
        return "bad_utf8"
    service_tag = trim(cells["service_tag"] or "")
    if not service_tag:
        return "no_service_tag"
    pn = trim(cells.get("pn") or "") or UNKNOWN
    if _is_bad_pn(pn):
        return "bad_pn"
    optional = {"ts": None, "eventdate": None}
    others = {raw_name(name): value for name, value in cells.items()}
    return {**optional, **others, "service_tag": service_tag, "pn": pn}


def raw_name(column: str) -> str:
    return f"source_{column}" if column.lower() in ("week", "source_file", "source_row") else column


def _is_bad_pn(pn: str) -> bool:
    has_control = any(ord(char) <= 0x1F or 0x7F <= ord(char) <= 0x9F for char in pn)
    return pn in (".", "..") or has_control or len(partition_value(pn)) > 200


def partition_value(pn: str) -> str:
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~-"
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in pn.encode())


def _require_accepted(files: Mapping[str, pa.Table]) -> None:
    faults: list[str] = []
    for name, table in files.items():
        missing = [column for column in ("service_tag", "cat", "ev") if column not in table.column_names]
        faults += [f"{name}: no column {column}" for column in missing]
        spellings = Counter(raw_name(column).lower() for column in table.column_names)
        faults += [f"{name}: {column} more than once" for column, times in spellings.items() if times > 1]
        faults += [f"{name}: {field.name} is {field.type}" for field in table.schema if not _is_accepted(field)]
    if faults:
        raise BadFilesError("; ".join(faults))


def _is_accepted(field: pa.Field) -> bool:
    kind = _plain_type(field.type)
    if kind is None or pa.types.is_string(kind):
        return True
    is_time = pa.types.is_timestamp(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    match field.name:
        case "service_tag" | "cat":
            return False
        case "ev":
            if _is_binary(kind):
                return True
            return (pa.types.is_struct(kind) or pa.types.is_map(kind)) and not _holds_lossy(kind)
        case "pn":
            return bool(pa.types.is_integer(kind))
        case "ts":
            return bool(is_time or pa.types.is_date(kind) or is_number)
        case "eventdate":
            return bool(is_time or is_number)
        case _:
            return True


def _holds_lossy(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _holds_lossy(kind.value_type)
    children = [kind.field(number).type for number in range(kind.num_fields)]
    return _is_binary(kind) or pa.types.is_decimal(kind) or any(_holds_lossy(child) for child in children)


def _is_binary(kind: pa.DataType) -> bool:
    return any(
        test(kind)
        for test in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_binary_view,
            pa.types.is_fixed_size_binary,
        )
    )


def _plain_type(kind: pa.DataType) -> pa.DataType | None:
    """The type without its form: every form of string is one; None for an all-null column."""
    if pa.types.is_null(kind):
        return None
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    is_text = pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return pa.string() if is_text else kind


def _disagreed_columns(files: Mapping[str, pa.Table]) -> set[str]:
    types: dict[str, set[pa.DataType]] = defaultdict(set)
    for table in files.values():
        for field in table.schema:
            types[field.name].add(_plain_type(field.type))
    return {name for name, found in types.items() if len(found - {None}) > 1}


def _reader(column: str, disagreed: bool) -> Callable[[Any], Any]:
    match column:
        case "service_tag" | "cat":
            return _text
        case "pn":
            return lambda scalar: _text(scalar) if _is_text(scalar) else str(scalar.as_py())
        case "ev":
            return _ev_text
        case "ts":
            return _ts_text
        case "eventdate":
            return _eventdate
        case _:
            return _json_text if disagreed else _plain


def _unwrapped(scalar: Any) -> Any:
    """The value that a dictionary's index stands for; any other scalar itself."""
    return scalar.value if pa.types.is_dictionary(scalar.type) else scalar


def _is_text(scalar: Any) -> bool:
    return bool(_plain_type(scalar.type) == pa.string())


def _text(scalar: Any) -> str:
    """Raises UnicodeDecodeError, which is what makes a row `bad_utf8`."""
    return bytes(scalar.as_buffer().to_pybytes()).decode()


def _ev_text(scalar: Any) -> str:
    is_text = _is_text(scalar) or _is_binary(scalar.type)
    return _text(scalar) if is_text else canonical(_json_value(scalar)).decode()


def _ts_text(scalar: Any) -> str | None:
    if _is_text(scalar):
        return _text(scalar)
    if pa.types.is_timestamp(scalar.type) or pa.types.is_date(scalar.type):
        return _time_text(scalar)
    if pa.types.is_integer(scalar.type):
        return str(scalar.as_py())
    value = scalar.as_py()
    if not math.isfinite(value):
        return None
    in_own_width: Any = {16: np.float16, 32: np.float32, 64: np.float64}[scalar.type.bit_width](value)
    return np.format_float_positional(in_own_width, unique=True, trim="0")


def _time_text(scalar: Any) -> str:
    """`YYYY-MM-DDTHH:MM:SS[.f]Z`; Arrow holds a time with a zone as UTC already."""
    if pa.types.is_date32(scalar.type):
        moment = np.datetime64(scalar.value, "D").astype("M8[s]")
    elif pa.types.is_date64(scalar.type):
        moment = np.datetime64(scalar.value, "ms").astype("M8[D]").astype("M8[s]")
    else:
        moment = np.datetime64(scalar.value, scalar.type.unit)
    seconds, _, fraction = str(moment).partition(".")
    fraction = fraction.rstrip("0")
    return f"{seconds}.{fraction}Z" if fraction else f"{seconds}Z"


def _eventdate(scalar: Any) -> int | None:
    """Nanoseconds since the epoch, or None where the value is no such number."""
    value: int | None
    if _is_text(scalar):
        text = trim(_text(scalar))
        value = int(text) if re.fullmatch(r"[+-]?[0-9]{1,19}", text) else None
    elif pa.types.is_timestamp(scalar.type):
        value = scalar.value * {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[scalar.type.unit]
    elif pa.types.is_floating(scalar.type):
        number = float(scalar.as_py())
        value = int(number) if number.is_integer() else None
    else:
        value = scalar.as_py()
    return value if value is not None and value in INT64 else None


def _json_text(scalar: Any) -> str:
    return _text(scalar) if _is_text(scalar) else canonical(_json_value(scalar)).decode()


def _json_value(scalar: Any) -> Any:
    """What JSON can hold of an Arrow value: null fields of a struct left out, times as in `ts`."""
    scalar = _unwrapped(scalar)
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if _is_text(scalar):
        return _text(scalar)
    if _is_binary(kind):
        return {"base64": base64.b64encode(scalar.as_py()).decode()}
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _time_text(scalar)
    if pa.types.is_struct(kind):
        return {name: value for name, child in scalar.items() if (value := _json_value(child)) is not None}
    if pa.types.is_map(kind):
        return {_text(entry["key"]): _json_value(entry["value"]) for entry in scalar.values}
    if pa.types.is_nested(kind):
        return [_json_value(child) for child in scalar.values]
    return scalar.as_py()


def _plain(scalar: Any) -> Any:
    """The value as it is; strings inside it are read too, as one that is broken breaks every reader."""
    if _is_text(scalar):
        return _text(scalar)
    if pa.types.is_nested(scalar.type):
        _json_value(scalar)
    return scalar.as_py()


def _raw_frame(rows: Sequence[Mapping[str, Any]], files: Mapping[str, pa.Table]) -> pd.DataFrame:
    names = ["service_tag", "cat", "ev", "ts", "eventdate"]
    names += [raw_name(column) for table in files.values() for column in table.column_names]
    names = [name for name in dict.fromkeys(names) if name != "pn"] + ["pn", "source_file", "source_row"]
    columns = {name: [row.get(name) for row in rows] for name in names}
    return _frame(
        {
            name: _int_column(cells) if name in ("eventdate", "source_row") else _text_column(cells)
            for name, cells in columns.items()
        }
    )


# ---- timestamps

_DATE = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_FRACTION = r"(?P<fraction>[0-9]{1,9})"
_ZONE = r"(?: ?(?:[Zz]|(?P<sign>[+-])(?P<zone_hour>[0-9]{2})(?::?(?P<zone_minute>[0-9]{2}))?))?"
_ISO_EXTENDED = re.compile(
    rf"{_DATE}(?:[Tt ](?P<hour>[0-9]{{2}}):(?P<minute>[0-9]{{2}})"
    rf"(?::(?P<second>[0-9]{{2}})(?:[.,]{_FRACTION})?)?{_ZONE})?"
)
_ISO_BASIC = re.compile(
    rf"(?P<year>[0-9]{{4}})(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}})"
    rf"[Tt](?P<hour>[0-9]{{2}})(?P<minute>[0-9]{{2}})(?:(?P<second>[0-9]{{2}})(?:[.,]{_FRACTION})?)?{_ZONE}"
)
_SLASH_TIME = (
    rf"(?:,? (?P<hour>[0-9]{{1,2}}):(?P<minute>[0-9]{{2}})(?::(?P<second>[0-9]{{2}})(?:\.{_FRACTION})?)?"
    "(?:[ \u00a0\u202f]?(?P<half>[AaPp])[Mm])?)?"
)
_SLASH_YEAR_LAST = re.compile(
    rf"(?P<first>[0-9]{{1,2}})/(?P<second_part>[0-9]{{1,2}})/(?P<year>[0-9]{{4}}){_SLASH_TIME}"
)
_SLASH_YEAR_FIRST = re.compile(rf"(?P<year>[0-9]{{4}})/(?P<month>[0-9]{{1,2}})/(?P<day>[0-9]{{1,2}}){_SLASH_TIME}")
_WMI = re.compile(
    r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
    r"(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<second>[0-9]{2})"
    r"\.(?P<fraction>[0-9]{6})(?P<offset>[+-][0-9]{3})"
)
_MS_DATE = re.compile(r"/Date\((?P<ms>-?[0-9]{1,19})(?:[+-][0-9]{4})?\)/")


def timestamp(value: object, *, kind: Literal["json", "ts", "eventdate"], day_first: bool = False) -> int | None:
    """Microseconds since the epoch, None when unusable; the window is not applied.

    `json`: a value as orjson gives it; `ts`: text; `eventdate`: an integer that is always nanoseconds.
    """
    if value is None or isinstance(value, bool):
        return None
    if kind == "eventdate":
        return value // 1000 if isinstance(value, int) and value in INT64 else None
    if isinstance(value, int) and kind == "json":
        return _from_integer(value)
    if isinstance(value, float) and kind == "json":
        return _from_float(value)
    return _from_text(trim(value), day_first) if isinstance(value, str) else None


def _from_integer(value: int) -> int | None:
    if value not in INT64:
        return None
    size = abs(value)
    if size < 10**11:
        return value * 1_000_000
    if size < 10**14:
        return value * 1_000
    return value if size < 10**17 else value // 1_000


def _from_float(value: float) -> int | None:
    """The double's exact value, as a fraction, to the nearest µs; round() of a Fraction is half to even."""
    if not math.isfinite(value) or not -(2.0**63) <= value < 2.0**63:
        return None
    exact, size = Fraction(value), abs(value)
    if size < 1e11:
        return round(exact * 1_000_000)
    if size < 1e14:
        return round(exact * 1_000)
    return round(exact) if size < 1e17 else round(exact / 1_000)


def _from_text(text: str, day_first: bool) -> int | None:
    if re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        return _from_integer(int(text))
    if re.fullmatch(r"[+-]?[0-9]+\.[0-9]+", text):
        return _from_float(float(text))
    if found := _MS_DATE.fullmatch(text):
        return int(found["ms"]) * 1_000
    if found := _WMI.fullmatch(text):
        local = _moment(found.groupdict())
        return None if local is None else local - int(found["offset"]) * 60_000_000
    if found := _ISO_EXTENDED.fullmatch(text) or _ISO_BASIC.fullmatch(text):
        return _from_iso(found.groupdict())
    if found := _SLASH_YEAR_FIRST.fullmatch(text):
        return _from_slashes(found.groupdict())
    if found := _SLASH_YEAR_LAST.fullmatch(text):
        month, day = found["first"], found["second_part"]
        if day_first:
            month, day = day, month
        return _from_slashes({**found.groupdict(), "month": month, "day": day})
    return None


def _from_iso(parts: Mapping[str, str | None]) -> int | None:
    local = _moment(parts)
    hours, minutes = int(parts["zone_hour"] or 0), int(parts["zone_minute"] or 0)
    if local is None or hours > 23 or minutes > 59:
        return None
    offset = (hours * 60 + minutes) * 60_000_000
    return local + offset if parts["sign"] == "-" else local - offset


def _from_slashes(parts: Mapping[str, str | None]) -> int | None:
    if parts["half"] is None:
        return _moment(parts)
    hour = int(parts["hour"] or 0)
    if not 1 <= hour <= 12:
        return None
    return _moment({**parts, "hour": str(hour % 12 + (12 if parts["half"] in "Pp" else 0))})


def _moment(parts: Mapping[str, str | None]) -> int | None:
    """Year to day, and hour to fraction where there are any, as UTC; None where there is no such moment."""
    year, month, day = (int(parts[name] or 0) for name in ("year", "month", "day"))
    hour, minute, second = (int(parts[name] or 0) for name in ("hour", "minute", "second"))
    micros = int((parts["fraction"] or "")[:6].ljust(6, "0"))
    try:
        moment = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    return (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1) + micros


# ---- ev and its key


def canonical(value: object) -> bytes:
    """Of a value that orjson read, so that this is its canonical JSON by definition."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def is_present(value: object) -> bool:
    """There, not null, not blank text; `0`, `[]` and `false` are present."""
    return value is not None and not (isinstance(value, str) and trim(value) == "")


def read_ev(ev: str | None) -> tuple[str, dict[str, Any]]:
    """(ev_status, the object; empty unless the status is `ok`)."""
    if ev is None:
        return "null", {}
    if len(ev.encode()) > LARGEST_EV_BYTES:
        return "too_big", {}
    if _depth(ev) > DEEPEST_EV:
        return "too_deep", {}
    try:
        value = orjson.loads(ev)
    except orjson.JSONDecodeError:
        return "not_json", {}
    return ("ok", value) if isinstance(value, dict) else ("not_object", {})


def _depth(ev: str) -> int:
    """The counter's highest point, of valid JSON and of anything else."""
    if ev.count("{") + ev.count("[") <= DEEPEST_EV:  # only to spare the loop: it cannot get higher than this
        return 0
    counter = highest = 0
    in_string = escaped = False
    for char in ev:
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "{[":
            counter += 1
            highest = max(highest, counter)
        elif char in "}]":
            counter = max(counter - 1, 0)
    return highest


def event_key(ev: Mapping[str, Any], volatile: Collection[str] = VOLATILE) -> str | None:
    if is_present(ev.get("TimeStamp")):
        return payload_hash(ev, volatile)
    event_id = ev.get("EventId")
    if not is_present(event_id):
        return None
    return event_id if isinstance(event_id, str) else canonical(event_id).decode()


def payload_hash(ev: Mapping[str, Any], volatile: Collection[str] = VOLATILE) -> str:
    return xxhash.xxh3_128_hexdigest(canonical({k: v for k, v in ev.items() if k not in volatile}))


# ---- clean


class Identity(NamedTuple):
    source_file: str
    source_row: int


class Time(NamedTuple):
    """`micros` since the epoch, `source` (which candidate) and `status`, as the clean columns have them."""

    micros: int | None
    source: str | None
    status: str


@dataclass
class Event:
    """One raw row, read; `copies` grows when re-sends merge into it."""

    pn: str
    service_tag: str
    cat: str | None
    ev: str | None
    identity: Identity
    time: Time
    ev_status: str
    event_key: str | None
    has_event_id: bool
    payload: str | None
    """The payload's hash, where the key is the EventId."""
    copies: int = 1


def clean(
    raw: pd.DataFrame,
    week: str,
    *,
    days_before: int = 400,
    days_after: int = 8,
    day_first: bool = False,
    volatile: Collection[str] = VOLATILE,
) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Raw rows of one week → (clean, figures, resends).

    clean: the clean columns and `pn`, sorted by pn, then as within a partition. figures: those of section 2
    but the bytes, and `timestamp_source_status`, raw rows by (source, status). resends: the identity of each
    dropped row, and of the row it merged into as `kept_file`, `kept_row`; sorted by the dropped row's.
    """
    midnight = (date.fromisoformat(week) - date(1970, 1, 1)).days * DAY
    window = range(midnight - days_before * DAY, midnight + days_after * DAY + 1)
    events = [_read_event(row, window, day_first, volatile) for row in _raw_rows(raw)]
    groups: dict[tuple[str, str], list[Event]] = defaultdict(list)
    kept: list[Event] = []
    for event in events:
        if event.time.micros is None or event.event_key is None:
            kept.append(event)
        else:
            groups[event.service_tag, event.event_key].append(event)
    dropped: list[tuple[Identity, Identity]] = []
    for group in groups.values():
        first = min(group, key=lambda event: (event.time.micros, event.pn == UNKNOWN, event.identity))
        first.copies = len(group)
        kept.append(first)
        dropped += [(event.identity, first.identity) for event in group if event is not first]
    kept.sort(key=lambda e: (e.pn, e.service_tag, e.time.micros is None, e.time.micros or 0, e.identity))
    dropped.sort()
    return _clean_frame(kept), _figures(events, kept, len(dropped), groups.values()), _resends_frame(dropped)


def _raw_rows(raw: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    names = ("pn", "service_tag", "cat", "ev", "ts", "eventdate", "source_file", "source_row")
    return zip(*(_cells(raw[name]) for name in names), strict=True)


def _read_event(row: tuple[Any, ...], window: range, day_first: bool, volatile: Collection[str]) -> Event:
    pn, service_tag, cat, ev, ts, eventdate, source_file, source_row = row
    status, content = read_ev(ev)
    key = event_key(content, volatile)
    is_keyed_by_id = key is not None and not is_present(content.get("TimeStamp"))
    return Event(
        pn=pn,
        service_tag=service_tag,
        cat=cat,
        ev=ev,
        identity=Identity(source_file, int(source_row)),
        time=_valid_time(content, ts, eventdate, window, day_first),
        ev_status=status,
        event_key=key,
        has_event_id=is_present(content.get("EventId")),
        payload=payload_hash(content, volatile) if is_keyed_by_id else None,
    )


def _valid_time(
    content: Mapping[str, Any], ts: str | None, eventdate: int | None, window: range, day_first: bool
) -> Time:
    in_ev = [(f"ev.{field}", content.get(field)) for field in ("TimeStamp", "LogTime")]
    candidates = [
        *((source, value, timestamp(value, kind="json", day_first=day_first)) for source, value in in_ev),
        ("ts", ts, timestamp(ts, kind="ts", day_first=day_first)),
        ("eventdate", eventdate, timestamp(eventdate, kind="eventdate")),
    ]
    present = [(source, micros) for source, value, micros in candidates if is_present(value)]
    for place, (source, micros) in enumerate(present):
        if micros is not None and micros in window:
            return Time(micros, source, "ok" if place == 0 else "fallback")
    return Time(None, None, "invalid" if present else "missing")


def is_critical(cat: str | None) -> bool:
    return cat is not None and trim(cat).casefold() == "critical"


def is_error(cat: str | None) -> bool:
    return cat is not None and trim(cat).casefold() in ("error", "critical")


def is_warning(cat: str | None) -> bool:
    return cat is not None and trim(cat).casefold() == "warning"


def _figures(
    raw: Sequence[Event], kept: Sequence[Event], resends: int, groups: Iterable[Sequence[Event]]
) -> dict[str, Any]:
    def ratio(hits: Iterable[bool], rows: int) -> float:
        return sum(hits) / rows if rows else 0.0

    return {
        "missing_timestamp_ratio": ratio((e.time.status == "missing" for e in raw), len(raw)),
        "invalid_timestamp_ratio": ratio((e.time.status in ("fallback", "invalid") for e in raw), len(raw)),
        "valid_timestamp_coverage": ratio((e.time.micros is not None for e in kept), len(kept)),
        "missing_event_id_ratio": ratio((not e.has_event_id for e in raw), len(raw)),
        "ev_unparsable_ratio": ratio((e.ev_status not in ("ok", "null") for e in raw), len(raw)),
        "duplicate_ratio": resends / len(raw) if raw else 0.0,
        "error_ratio": ratio((is_error(e.cat) for e in kept), len(kept)),
        "event_id_conflicts": sum(_is_conflict(group) for group in groups),
        "timestamp_source_status": dict(Counter((e.time.source, e.time.status) for e in raw)),
    }


def _is_conflict(group: Sequence[Event]) -> bool:
    return len({event.payload for event in group if event.payload is not None}) > 1


def _clean_frame(kept: Sequence[Event]) -> pd.DataFrame:
    return _frame(
        {
            "service_tag": _text_column(e.service_tag for e in kept),
            "valid_timestamp": _time_column(e.time.micros for e in kept),
            "timestamp_source": _text_column(e.time.source for e in kept),
            "timestamp_status": _text_column(e.time.status for e in kept),
            "event_key": _text_column(e.event_key for e in kept),
            "copies": _int_column(e.copies for e in kept),
            "cat": _text_column(e.cat for e in kept),
            "ev": _text_column(e.ev for e in kept),
            "ev_status": _text_column(e.ev_status for e in kept),
            "source_file": _text_column(e.identity.source_file for e in kept),
            "source_row": _int_column(e.identity.source_row for e in kept),
            "pn": _text_column(e.pn for e in kept),
        }
    )


def _resends_frame(dropped: Sequence[tuple[Identity, Identity]]) -> pd.DataFrame:
    return _frame(
        {
            "source_file": _text_column(gone.source_file for gone, _ in dropped),
            "source_row": _int_column(gone.source_row for gone, _ in dropped),
            "kept_file": _text_column(kept.source_file for _, kept in dropped),
            "kept_row": _int_column(kept.source_row for _, kept in dropped),
        }
    )


# ---- feature


class CleanRow(NamedTuple):
    week: str
    pn: str
    service_tag: str
    micros: int | None
    event_key: str | None
    cat: str | None
    ev: str | None
    source_file: str
    source_row: int


def feature(clean_by_week: Mapping[str, pd.DataFrame], weeks: int = 13) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Clean frames by week → (device_features, error_events), over the newest `weeks` of them (0: all)."""
    newest = sorted(clean_by_week)[-weeks:]  # and [-0:] is all of them
    rows = [row for week in newest for row in _clean_rows(week, clean_by_week[week])]
    devices: dict[str, list[CleanRow]] = defaultdict(list)
    for row in rows:
        devices[row.service_tag].append(row)
    as_of_week = newest[-1] if newest else None
    features = [_device_features(tag, devices[tag], as_of_week) for tag in sorted(devices)]
    return _features_frame(features), _errors_frame([row for row in rows if is_error(row.cat)])


def _clean_rows(week: str, frame: pd.DataFrame) -> Iterator[CleanRow]:
    names = ("pn", "service_tag", "event_key", "cat", "ev", "source_file", "source_row")
    columns = [_cells(frame[name]) for name in names]
    for micros, (pn, tag, key, cat, ev, file, number) in zip(
        _micros(frame["valid_timestamp"]), zip(*columns, strict=True), strict=True
    ):
        yield CleanRow(week, pn, tag, micros, key, cat, ev, file, int(number))


class DeviceFeatures(NamedTuple):
    service_tag: str
    total_events: int
    error_count_total: int
    critical_count_total: int
    warning_count_total: int
    error_ratio: float
    first_error_time: int | None
    last_error_time: int | None
    error_interval_mean: float | None
    error_interval_std: float | None
    dominate_pn: str
    dominate_week: str
    as_of_week: str | None


def _device_features(service_tag: str, rows: Sequence[CleanRow], as_of_week: str | None) -> DeviceFeatures:
    errors = [row for row in rows if is_error(row.cat)]
    times = sorted(row.micros for row in errors if row.micros is not None)
    mean, std = intervals(times)
    return DeviceFeatures(
        service_tag=service_tag,
        total_events=len(rows),
        error_count_total=len(errors),
        critical_count_total=sum(is_critical(row.cat) for row in rows),
        warning_count_total=sum(is_warning(row.cat) for row in rows),
        error_ratio=len(errors) / len(rows),
        first_error_time=times[0] if times else None,
        last_error_time=times[-1] if times else None,
        error_interval_mean=mean,
        error_interval_std=std,
        dominate_pn=most_frequent(row.pn for row in rows),
        dominate_week=most_frequent(row.week for row in rows),
        as_of_week=as_of_week,
    )


def intervals(times: Sequence[int]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation, in seconds, of the differences between sorted times in µs."""
    differences = [later - earlier for earlier, later in pairwise(times)]
    k = len(differences)
    if k < 1:
        return None, None
    mean = float(Fraction(times[-1] - times[0], k * 1_000_000))
    if k < 2:
        return mean, None
    variance = Fraction(k * sum(d * d for d in differences) - sum(differences) ** 2, k * (k - 1))
    return mean, math.sqrt(variance / 10**12)


def most_frequent(values: Iterable[str]) -> str:
    """Of those that are equally frequent the smallest by its UTF-8 bytes."""
    return min(Counter(values).items(), key=lambda item: (-item[1], item[0].encode()))[0]


def _features_frame(features: Sequence[DeviceFeatures]) -> pd.DataFrame:
    columns = dict(zip(DeviceFeatures._fields, zip(*features, strict=True) if features else [()] * 13, strict=True))
    return _frame({name: _feature_column(name, cells) for name, cells in columns.items()})


def _feature_column(name: str, cells: Sequence[Any]) -> pd.Series[Any]:
    if name.endswith("_time"):
        return _time_column(cells)
    if name == "total_events" or "_count_" in name:
        return _int_column(cells)
    if name.startswith("error_"):
        return pd.Series(list(cells), dtype="float64")
    return _text_column(cells)


def _errors_frame(errors: Sequence[CleanRow]) -> pd.DataFrame:
    def order(row: CleanRow) -> tuple[Any, ...]:
        return (
            row.service_tag,
            row.micros is None,
            row.micros or 0,
            row.week,
            row.pn,
            row.source_file,
            row.source_row,
        )

    rows = sorted(errors, key=order)
    return _frame(
        {
            "service_tag": _text_column(row.service_tag for row in rows),
            "valid_timestamp": _time_column(row.micros for row in rows),
            "event_key": _text_column(row.event_key for row in rows),
            "pn": _text_column(row.pn for row in rows),
            "week": _text_column(row.week for row in rows),
            "cat": _text_column(row.cat for row in rows),
            "ev": _text_column(row.ev for row in rows),
        }
    )


# ---- pandas columns


def _frame(columns: Mapping[str, pd.Series[Any]]) -> pd.DataFrame:
    return pd.DataFrame(dict(columns))


def _text_column(cells: Iterable[object]) -> pd.Series[Any]:
    return pd.Series(list(cells), dtype=object)


def _int_column(cells: Iterable[int | None]) -> pd.Series[Any]:
    return pd.Series(pd.array([pd.NA if cell is None else cell for cell in cells], dtype="Int64"))


def _time_column(micros: Iterable[int | None]) -> pd.Series[Any]:
    moments = [np.datetime64("NaT", "us") if m is None else np.datetime64(m, "us") for m in micros]
    return pd.Series(np.array(moments, dtype="M8[us]")).dt.tz_localize(UTC)


def _cells(column: pd.Series[Any]) -> list[Any]:
    return [None if pd.isna(cell) else cell for cell in column.tolist()]


def _micros(column: pd.Series[Any]) -> list[int | None]:
    moments = column.dt.tz_convert(UTC).dt.tz_localize(None).to_numpy().astype("M8[us]")
    return [None if np.isnat(moment) else int(moment.astype("int64")) for moment in moments]
