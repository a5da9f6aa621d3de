"""What a report says, as plain data: the page, the terminal and the JSON show these facts and no others."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from services.contracts.manifest import Counts, Figures, UnusableTime
from services.judgement.judge import Judgement
from services.judgement.rules import Finding

State = Literal["critical", "warning", "incomplete", "good"]


@dataclass(frozen=True)
class Verdict:
    """What to think of the week, and which rules say so."""

    state: State
    headline: str
    judgement: Judgement

    @property
    def findings(self) -> list[Finding]:
        """The gravest first."""
        return sorted(self.judgement.findings, key=lambda finding: finding.severity != "critical")


@dataclass(frozen=True)
class PastWeek:
    """A week of the history; None where the stage that counts it has not published the week."""

    week: str
    raw_bytes: int | None
    raw_rows: int | None
    clean_rows: int | None
    figures: Figures | None
    flagged: dict[str, str]
    """Figures in which something was found, with the severity."""


@dataclass(frozen=True)
class Comparison:
    """One figure over the weeks."""

    figure: str
    now: float | None
    previous: float | None
    """Of the newest earlier week that has it."""
    median: float | None
    """Of the weeks before this one, at most eight."""
    trend: tuple[float | None, ...]
    """Oldest first, this week last."""


@dataclass(frozen=True)
class Part:
    """A product or a source file: its rows now and in the week before (None: it was not there)."""

    name: str
    now: Counts | None
    before: Counts | None


@dataclass(frozen=True)
class DeviceErrors:
    """A device by a hash of its service tag, and its errors in this week and the one before."""

    device: str
    errors: int
    errors_before: int


@dataclass(frozen=True)
class Columns:
    """How the columns of the drop differ from those of the week before: names with their Arrow types."""

    against: str | None
    """The week before; None where there is none."""
    count: int
    added: dict[str, str]
    gone: dict[str, str]
    retyped: dict[str, tuple[str, str]]
    """Type before, type now."""


@dataclass(frozen=True)
class Drop:
    """What came."""

    raw_bytes: int
    raw_bytes_previous: int | None
    files: int
    quarantined: dict[str, int]
    unusable_eventdates: int
    skipped_files: dict[str, str]


@dataclass(frozen=True)
class StageFacts:
    """How the run went that published a stage's present generation."""

    stage: str
    run_id: str
    program: str
    generation: int
    attempt: int
    started: str
    finished: str
    seconds: float
    steps: dict[str, float]
    """Wall seconds by step."""
    sla_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    bytes_read: int
    bytes_written: int
    objects_read: int
    objects_written: int


@dataclass(frozen=True)
class Estimate:
    """What the week's run costs at one place's list prices."""

    place: str
    basis: str
    cpu: float
    memory: float
    requests: float
    total: float
    """Of the run: CPU, memory and requests."""
    storage_month: float
    """Of what the run wrote, kept for a month."""


@dataclass(frozen=True)
class Cost:
    """What the week's run used, and an estimate in money."""

    currency: str
    cpu_seconds: float
    memory_gib_hours: float
    """Peak memory, held for the wall time, of all stages."""
    bytes_read: int
    bytes_written: int
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class Report:
    """One week in full."""

    week: str
    generation: int
    """Of ingest and clean together: it grows whenever the week is published again."""
    contract: int
    verdict: Verdict
    ledger: dict[str, int]
    drop: Drop | None
    counts: Counts | None
    timestamps: dict[str, dict[str, int]]
    """Raw rows by timestamp_source (`none` where there is none), then timestamp_status."""
    unusable_times: tuple[UnusableTime, ...]
    ev_statuses: dict[str, int]
    history: tuple[PastWeek, ...]
    """Oldest first, this week last."""
    comparisons: tuple[Comparison, ...]
    ordinary_bytes: tuple[float, float] | None
    """Within which the drop's size is ordinary: by the newest earlier week whose own size was."""
    products: tuple[Part, ...]
    """This week's and last week's pn, the one with the most raw rows first."""
    files: tuple[Part, ...]
    devices: tuple[DeviceErrors, ...] | None
    """None where the features are not of this week and the one before."""
    columns: Columns | None
    stages: tuple[StageFacts, ...]
    cost: Cost

    def to_json(self) -> dict[str, Any]:
        """The report for machines."""
        return asdict(self)
