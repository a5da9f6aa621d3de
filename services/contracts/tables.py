"""The tables of the lake: every column's name, Arrow type and meaning, once.

Writers take their schema from here, readers are checked against it, `docs/data.md` is generated from it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

STRING = pa.string()
CATEGORY = pa.dictionary(pa.int32(), pa.string())
"""A string that repeats; readers that know no dictionaries see a string."""
TIMESTAMP = pa.timestamp("us", tz="UTC")

TIMESTAMP_SOURCES = ("ev.TimeStamp", "ev.LogTime", "ts", "eventdate")
"""The candidates for when an event happened, in the order in which they are asked."""
TIMESTAMP_STATUSES = ("ok", "fallback", "invalid", "missing")
EV_STATUSES = ("null", "too_big", "too_deep", "not_json", "not_object", "ok")
"""In the order in which they are judged: the first that applies."""
QUARANTINE_REASONS = ("bad_utf8", "no_service_tag", "bad_pn")
"""In the order in which they are judged: the first that applies."""


class Column(NamedTuple):
    """One column of a table."""

    name: str
    type: pa.DataType
    nullable: bool
    meaning: str


@dataclass(frozen=True)
class Table:
    """One kind of file in the lake."""

    name: str
    files: str
    rows: str
    order: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema that its files have."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])


_SERVICE_TAG = Column("service_tag", STRING, False, "The device, trimmed.")
_CAT = Column("cat", STRING, True, "The event's category as it was sent: Error, Critical, Warning, Info …")
_EV = Column("ev", STRING, True, "The event: JSON text as it was sent.")
_SOURCE_FILE = Column("source_file", CATEGORY, False, "Name of the drop's file that the row came in.")
_SOURCE_ROW = Column("source_row", pa.int64(), False, "The row's number in that file, from 0.")
_VALID_TIMESTAMP = Column(
    "valid_timestamp", TIMESTAMP, True, "When the event happened: the first valid candidate; null if none is."
)
_EVENT_KEY = Column(
    "event_key",
    STRING,
    True,
    "The event's identity on its device: XXH3-128 of its canonical JSON without volatile fields where "
    "`ev.TimeStamp` is present, else `ev.EventId`, else null.",
)

RAW = Table(
    name="raw",
    files="raw/event_log/week=W/pn=P/W_P.parquet",
    rows="One per row of the drop that was not quarantined, and not of a device that was erased.",
    order=("service_tag", "source_file", "source_row"),
    columns=(
        _SERVICE_TAG,
        _CAT,
        _EV,
        Column("ts", STRING, True, "The collector's time, as text."),
        Column("eventdate", pa.int64(), True, "The collector's time in ns since 1970, UTC."),
        _SOURCE_FILE,
        _SOURCE_ROW,
    ),
)
"""The fixed columns; every other column of the drop follows `eventdate`, sorted by name (see `raw_schema`)."""

CLEAN = Table(
    name="clean",
    files="clean/event_log/week=W/pn=P/W_P.parquet",
    rows="One per event: re-sends within the week are merged into one row.",
    order=("service_tag", "valid_timestamp (nulls last)", "source_file", "source_row"),
    columns=(
        _SERVICE_TAG,
        _VALID_TIMESTAMP,
        Column("timestamp_source", CATEGORY, True, f"Which candidate that was: {', '.join(TIMESTAMP_SOURCES)}."),
        Column(
            "timestamp_status",
            CATEGORY,
            False,
            "`ok`: the first present candidate was valid; `fallback`: a later one was; `invalid`: some were "
            "present, none valid; `missing`: none was present.",
        ),
        _EVENT_KEY,
        Column("copies", pa.int32(), False, "Raw rows that this row stands for, itself included."),
        _CAT,
        _EV,
        Column(
            "ev_status",
            CATEGORY,
            False,
            "`null`, `too_big` (over 1 MiB), `too_deep` (over 100 levels), `not_json`, `not_object` or `ok`, "
            "the first that applies.",
        ),
        _SOURCE_FILE,
        _SOURCE_ROW,
    ),
)

DEVICE_FEATURES = Table(
    name="device_features",
    files="feature/event_log/device_features.parquet",
    rows="One per service_tag, over the newest clean weeks.",
    order=("service_tag",),
    columns=(
        _SERVICE_TAG,
        Column("total_events", pa.int64(), False, "Clean rows."),
        Column("error_count_total", pa.int64(), False, "Rows whose category is error or critical."),
        Column("critical_count_total", pa.int64(), False, "Rows whose category is critical."),
        Column("warning_count_total", pa.int64(), False, "Rows whose category is warning."),
        Column("error_ratio", pa.float64(), False, "error_count_total / total_events."),
        Column("first_error_time", TIMESTAMP, True, "The earliest error with a valid_timestamp."),
        Column("last_error_time", TIMESTAMP, True, "The latest error with a valid_timestamp."),
        Column("error_interval_mean", pa.float64(), True, "Mean time between consecutive errors, in seconds."),
        Column("error_interval_std", pa.float64(), True, "Sample standard deviation of those times, in seconds."),
        Column("dominate_pn", STRING, False, "The most frequent pn; of equals the smallest by bytes."),
        Column("dominate_week", STRING, False, "The most frequent week; of equals the smallest."),
        Column("as_of_week", STRING, False, "The newest week that took part."),
    ),
)

ERROR_EVENTS = Table(
    name="error_events",
    files="feature/event_log/error_events.parquet",
    rows="One per clean row whose category is error or critical.",
    order=("service_tag", "valid_timestamp (nulls last)", "week", "pn", "source_file", "source_row"),
    columns=(
        _SERVICE_TAG,
        _VALID_TIMESTAMP,
        _EVENT_KEY,
        Column("pn", STRING, False, "The product, decoded from the partition."),
        Column("week", STRING, False, "The drop's week."),
        _CAT,
        _EV,
    ),
)

QUARANTINE = Table(
    name="quarantine",
    files="quarantine/event_log/week=W/ingest.parquet",
    rows="One per row of the drop that ingest refused; nothing is sampled or capped.",
    order=("source_file", "source_row"),
    columns=(
        Column(
            "row",
            STRING,
            False,
            'All source columns as JSON text; binary and broken strings as `{"base64": "…"}`.',
        ),
        Column("reason", CATEGORY, False, f"The first that applies: {', '.join(QUARANTINE_REASONS)}."),
        Column("detail", STRING, False, "What is wrong, in words."),
        _SOURCE_FILE,
        _SOURCE_ROW,
    ),
)

TABLES = (RAW, CLEAN, DEVICE_FEATURES, ERROR_EVENTS, QUARANTINE)


def raw_schema(extra: pa.Schema) -> pa.Schema:
    """Raw's schema for a drop with these other columns."""
    fixed = list(RAW.schema)
    others = sorted(extra, key=lambda field: field.name.encode())
    return pa.schema(fixed[:-2] + others + fixed[-2:])
