"""Why is this device's time this one? Every raw event of a device with what the rules made of it.

It reads raw by the very functions that clean uses, so that it cannot tell another story.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.table import Table

from services.clean.dedup import judge
from services.clean.event_key import present
from services.clean.events import Rules, candidate_time, parse_ev, read_events_python, window_rules
from services.clean.timestamps import year_of
from services.contracts import layout
from services.contracts.errors import NotReadyError, UsageError
from services.contracts.manifest import Manifest
from services.contracts.tables import TIMESTAMP_SOURCES
from services.lake.parquet import chunk_of
from services.lake.publish import read_manifest
from services.lake.store import ChangedError, Store
from services.runtime.settings import Settings

_COLUMNS = ["service_tag", "cat", "ev", "ts", "eventdate", "source_file", "source_row"]
_VALUE_SHOWN = 48
"""Characters of a candidate in a terminal; the JSON has all."""


@dataclass(frozen=True)
class Candidate:
    """One of the four places in which a time may stand."""

    name: str
    value: str | None
    """As JSON; None where it is not there."""
    time: str | None
    """What it says, UTC; None where it is no time."""
    verdict: str


@dataclass(frozen=True, order=True)
class Identity:
    """Which raw row it is."""

    pn: str
    source_file: str
    source_row: int


@dataclass(frozen=True)
class RawEvent:
    """One raw row and what became of it."""

    week: str
    identity: Identity
    cat: str | None
    ev_status: str
    candidates: tuple[Candidate, ...]
    valid_timestamp: str | None
    timestamp_source: str | None
    timestamp_status: str
    event_key: str | None
    key_from: str
    copies: int
    """Raw rows that it stands for; 0 where it was merged into another."""
    merged_into: Identity | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def explain(settings: Settings, lake: Store, service_tag: str) -> list[RawEvent]:
    """All raw events of a device, of one week or of all of them; UsageError where it has none."""
    weeks = [settings.week] if settings.week != "auto" else _ingested(lake)
    events = [event for week in weeks for event in _week(settings, lake, service_tag, week)]
    if not events:
        raise UsageError(
            f"{lake.url}: device {service_tag!r} has no raw event in "
            f"{f'week {settings.week}' if settings.week != 'auto' else 'any week'}; tags are case-sensitive, and "
            "feature/event_log/device_features.parquet lists them"
        )
    return sorted(events, key=lambda event: (event.week, event.valid_timestamp or "~", event.identity))


def show(events: list[RawEvent]) -> list[Table | str]:
    """A block per event."""
    parts: list[Table | str] = []
    for event in events:
        cat = "null" if event.cat is None else event.cat
        parts.append(
            f"{event.week}  pn {event.identity.pn}  {event.identity.source_file} row {event.identity.source_row}  "
            f"cat {cat}  ev {event.ev_status}"
        )
        made = Table(box=None, show_header=False, padding=(0, 0, 0, 2))
        for _ in range(4):
            made.add_column(no_wrap=True)
        for candidate in event.candidates:
            value = candidate.value or ""
            shown = value if len(value) <= _VALUE_SHOWN else value[: _VALUE_SHOWN - 1] + "…"
            made.add_row(candidate.name, shown, candidate.time or "", candidate.verdict)
        parts += [made, f"  time  {event.valid_timestamp or 'none'} ({event.timestamp_status})"]
        parts += [f"  key   {event.event_key or 'none'} ({event.key_from})", f"  →     {_fate(event)}\n"]
    return parts


def _fate(event: RawEvent) -> str:
    if event.merged_into:
        into = event.merged_into
        return f"merged into pn {into.pn}, {into.source_file} row {into.source_row}"
    return "stays" + (f", and stands for {event.copies} raw rows" if event.copies > 1 else "")


def _ingested(lake: Store) -> list[str]:
    weeks = [name.removeprefix("week=") for name in lake.folders("_control/ingest/")]
    return [week for week in weeks if read_manifest(lake, "ingest", week)]


def _week(settings: Settings, lake: Store, service_tag: str, week: str) -> Iterator[RawEvent]:
    manifest = read_manifest(lake, "ingest", week)
    if manifest is None:
        raise NotReadyError(f"week {week} has no raw data in {lake.url}; run ingest for it first")
    try:
        rows = _raw_rows(lake, manifest, service_tag)
    except ChangedError as changed:
        raise NotReadyError(f"week {week} is being republished ({changed} changed); run it again") from changed
    rules = window_rules(
        week,
        before=settings.window_days_before,
        after=settings.window_days_after,
        day_first=settings.day_first,
        volatile=settings.volatile_fields,
    )
    yield from _told(week, rows, rules)


def _raw_rows(lake: Store, manifest: Manifest, service_tag: str) -> pa.Table:
    """A device's rows of all partitions, with their pn; row groups that cannot hold it are not read."""
    found = []
    for output in manifest.outputs:
        if not output.key.startswith("raw/"):
            continue
        pn = layout.partition_of(output.key).pn
        with lake.open(output.key, output.etag) as handle, pq.ParquetFile(handle) as reader:
            for group in range(reader.metadata.num_row_groups):
                if _may_hold(reader.metadata.row_group(group), service_tag):
                    rows = reader.read_row_group(group, columns=_COLUMNS)
                    rows = rows.filter(pc.equal(rows["service_tag"], service_tag))
                    found.append(rows.append_column("pn", pa.array([pn] * rows.num_rows, pa.string())))
    return pa.concat_tables(found).unify_dictionaries().combine_chunks() if found else pa.table({})


def _may_hold(group: pq.RowGroupMetaData, service_tag: str) -> bool:
    chunk = chunk_of(group, "service_tag")
    statistics = chunk.statistics if chunk else None
    if statistics is None or not statistics.has_min_max:
        return True
    low, high, tag = statistics.min.encode(), statistics.max.encode(), service_tag.encode()
    return bool(low <= tag <= high)


def _told(week: str, rows: pa.Table, rules: Rules) -> Iterator[RawEvent]:
    if not rows.num_rows:
        return
    events = read_events_python(rows.select(["ev", "ts", "eventdate"]), rules).columns
    judged = events.select(["event_key", "key_hash", "valid_timestamp", "payload_hash"])
    for name in ("service_tag", "source_file", "source_row"):
        judged = judged.append_column(name, rows[name])
    verdict = judge(judged.append_column("is_unknown", pc.equal(rows["pn"], layout.UNKNOWN_PN)))
    raw, read = rows.to_pylist(), events.to_pylist()
    identities = [Identity(row["pn"], row["source_file"], row["source_row"]) for row in raw]
    for at, (row, event) in enumerate(zip(raw, read, strict=True)):
        time, key = event["valid_timestamp"], event["event_key"]
        kept = bool(verdict.kept[at])
        yield RawEvent(
            week=week,
            identity=identities[at],
            cat=row["cat"],
            ev_status=event["ev_status"],
            candidates=tuple(_candidates(row, rules)),
            valid_timestamp=None if time is None else _iso(_microseconds(time)),
            timestamp_source=event["timestamp_source"],
            timestamp_status=event["timestamp_status"],
            event_key=key,
            key_from=_key_from(key, event["payload_hash"]),
            copies=int(verdict.copies[at]) if kept else 0,
            merged_into=None if kept else identities[int(verdict.survivor[at])],
        )


def _candidates(row: dict[str, Any], rules: Rules) -> Iterator[Candidate]:
    """What each candidate says and why it was taken or not: the rule of `events`, spelt out."""
    _, event = parse_ev(None if row["ev"] is None else row["ev"].encode())
    taken = False
    for position, name in enumerate(TIMESTAMP_SOURCES):
        value = event.get(name.removeprefix("ev.")) if name.startswith("ev.") else row[name]
        time = candidate_time(position, value, rules) if present(value) else None
        if value is None:
            verdict = "not there"
        elif not present(value):
            verdict = "blank, counts as not there"
        elif time is None:
            verdict = "not a time in any form of the contract"
        elif not rules.plausible(time):
            verdict = f"outside {_iso(rules.lowest_us)} – {_iso(rules.highest_us)}"
        else:
            verdict = "valid, but an earlier one was taken" if taken else "taken"
            taken = True
        text = None if value is None else orjson.dumps(value).decode()
        yield Candidate(name, text, None if time is None else _iso(time), verdict)


def _key_from(key: str | None, payload_hash: bytes | None) -> str:
    if key is None:
        return "neither ev.TimeStamp nor ev.EventId is there: never merged"
    return "ev.EventId" if payload_hash is not None else "content without volatile fields"


def _microseconds(time: dt.datetime) -> int:
    return (time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _iso(microseconds: int) -> str:
    """UTC, without the zeros that say nothing; only the year where no calendar reaches."""
    try:
        time = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=microseconds)  # noqa: DTZ001  (UTC, shown as Z)
    except OverflowError:
        return f"year {year_of(microseconds)}"
    return time.isoformat() + "Z"
