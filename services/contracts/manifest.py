"""What a stage says of its run: ledger, figures, inputs and outputs.

These dataclasses are the one source of manifests, metrics and reports.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Any

import orjson
from pydantic import TypeAdapter

from services.contracts import layout


@dataclass(frozen=True)
class Input:
    """An object that was read."""

    key: str
    etag: str
    rows: int
    bytes: int = 0


@dataclass(frozen=True)
class Output:
    """An object that was published."""

    key: str
    etag: str
    sha256: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Counts:
    """Rows by fate, counted where it happens; additive over partitions, files and weeks."""

    raw_rows: int = 0
    clean_rows: int = 0
    resends: int = 0
    """Raw rows merged into another; raw_rows = clean_rows + resends."""
    missing_timestamp: int = 0
    invalid_timestamp: int = 0
    """Raw rows with timestamp_status fallback or invalid."""
    valid_timestamp: int = 0
    """Clean rows with a valid_timestamp."""
    missing_event_id: int = 0
    ev_unparsable: int = 0
    """Raw rows with an ev_status other than ok and null."""
    errors: int = 0
    """Clean rows whose category is error or critical."""
    event_id_conflicts: int = 0
    """Groups merged by EventId whose payloads differ."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))


@dataclass(frozen=True)
class Figures:
    """Data quality of a week or a part of it: the contract's section 2."""

    missing_timestamp_ratio: float
    invalid_timestamp_ratio: float
    valid_timestamp_coverage: float
    missing_event_id_ratio: float
    ev_unparsable_ratio: float
    duplicate_ratio: float
    error_ratio: float
    event_id_conflicts: int

    @staticmethod
    def of(counts: Counts) -> "Figures":
        """The figures of these rows; 0 where a denominator is 0."""

        def ratio(part: int, whole: int) -> float:
            return part / whole if whole else 0.0

        return Figures(
            missing_timestamp_ratio=ratio(counts.missing_timestamp, counts.raw_rows),
            invalid_timestamp_ratio=ratio(counts.invalid_timestamp, counts.raw_rows),
            valid_timestamp_coverage=ratio(counts.valid_timestamp, counts.clean_rows),
            missing_event_id_ratio=ratio(counts.missing_event_id, counts.raw_rows),
            ev_unparsable_ratio=ratio(counts.ev_unparsable, counts.raw_rows),
            duplicate_ratio=ratio(counts.resends, counts.raw_rows),
            error_ratio=ratio(counts.errors, counts.clean_rows),
            event_id_conflicts=counts.event_id_conflicts,
        )


@dataclass(frozen=True)
class UnusableTime:
    """Timestamp candidates that were present and passed over."""

    candidate: str
    year: int | None
    """The year that was claimed; None where the value is not a time."""
    rows: int


@dataclass(frozen=True)
class Quality:
    """What ingest or clean saw in a week's rows."""

    counts: Counts = Counts()
    figures: Figures | None = None
    """Of the week (clean only)."""
    counts_by_pn: dict[str, Counts] = field(default_factory=dict)
    figures_by_pn: dict[str, Figures] = field(default_factory=dict)
    counts_by_file: dict[str, Counts] = field(default_factory=dict)
    """By source file."""
    timestamps: dict[str, dict[str, int]] = field(default_factory=dict)
    """Raw rows by timestamp_source (`none` where there is none), then timestamp_status."""
    unusable_times: tuple[UnusableTime, ...] = ()
    ev_statuses: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """What ingest says of the drop itself."""

    raw_bytes: int
    raw_bytes_previous: int | None
    rows_by_file: dict[str, int]
    rows_by_pn: dict[str, int]
    quarantined: dict[str, int]
    """By reason, every reason named."""
    unusable_eventdates: int
    skipped_files: dict[str, str]
    """Bad files that were left out (EVENTLOG_ON_BAD_FILE=skip), with the reason."""
    columns: dict[str, str]
    """Name and Arrow type of every raw column."""
    erased: tuple[str, ...] = ()
    """The erased devices that were left out, as `_control/erasures.json` names them; empty in almost every week."""


@dataclass(frozen=True)
class Window:
    """The weeks that feature looked at."""

    weeks: tuple[str, ...]
    as_of_week: str
    devices: int


@dataclass(frozen=True)
class Run:
    """How a run went; nothing of it enters a fingerprint."""

    run_id: str
    program: str
    attempt: int
    started: str
    finished: str
    seconds: dict[str, float]
    """Wall time by step, and `total`."""
    cpu_seconds: float
    peak_memory_bytes: int
    settings: dict[str, Any] = field(default_factory=dict)
    """The settings that change bytes."""


@dataclass(frozen=True)
class Manifest:
    """`_control/<stage>/[week=W/]manifest.json`: what is published, written last."""

    stage: str
    week: str | None
    contract: int
    generation: int
    fingerprint: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    ledger: dict[str, int]
    run: Run
    quality: Quality | None = None
    drop: Drop | None = None
    window: Window | None = None

    def to_json(self) -> bytes:
        """The manifest as indented JSON, keys in the order of their declaration."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    @staticmethod
    def from_json(text: bytes) -> "Manifest":
        """Read what `to_json` wrote; pydantic.ValidationError where it is something else."""
        return _reader().validate_json(text)


@lru_cache(maxsize=1)
def _reader() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def read_by_feature(clean: Manifest) -> tuple[tuple[str, str, int], ...]:
    """Key, etag and bytes of what feature reads of a clean week.

    A week without rows has no file and still moves `as_of_week` and the window: its manifest stands for it.
    """
    files = tuple((o.key, o.etag, o.bytes) for o in clean.outputs)
    return files or ((layout.manifest_key("clean", clean.week), "no rows", 0),)


def ledger_gap(left: Mapping[str, int], right: Mapping[str, int]) -> str | None:
    """The sentence that says how two sides of a ledger differ, or None where they balance."""
    if sum(left.values()) == sum(right.values()):
        return None
    sides = (" + ".join(f"{name} {rows:,}" for name, rows in side.items()) for side in (left, right))
    return " is not ".join(sides)
