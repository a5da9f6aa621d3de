"""Every setting: `EVENTLOG_<NAME>` in the environment, or the option of the same name.

This is the only place where the environment enters. Settings are frozen.
"""

import os
import re
import uuid
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.contracts import layout
from services.contracts.errors import UsageError
from services.contracts.layout import Stage
from services.contracts.manifest import Figures
from services.judgement.limits import Limits
from services.runtime.limits import cpu_limit

PREFIX = "EVENTLOG_"
# Kubernetes puts these into every pod for each Service whose name begins with "eventlog-".
_SERVICE_LINK = re.compile(
    r"EVENTLOG_.*_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
# What an address may carry that nobody else is to see: user:password@ and signed parameters.
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_SECRET_PARAMETER = re.compile(
    r"([?&][^=&]*(?:key|token|secret|signature|password|credential)[^=&]*=)[^&\s]+", re.IGNORECASE
)

Ratio = Annotated[float | None, Field(ge=0, le=1)]


class Settings(BaseSettings):
    """Settings of all stages; each field is followed by what it means, its unit and its reason."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True, env_ignore_empty=True
    )

    source: str = "data"
    """Where drops arrive: a folder or s3://bucket/prefix with one folder a week."""
    lake: str = "lake"
    """Where results go: a folder or s3://bucket/prefix."""
    week: str = "auto"
    """The drop to process, YYYY-MM-DD; auto: every drop that is new or changed."""
    force: bool = False
    """Publish a new generation even where nothing changed."""
    workers: int = Field(default_factory=cpu_limit, ge=1, le=256)
    """Batches worked on at once; it changes no byte of the result."""
    memory_limit: int | None = Field(default=None, ge=64 * 1024**2)
    """Bytes that a stage may use, 67108864 or more; by default the container's limit, at most 1 GiB."""
    scratch: Path | None = None
    """Folder for temporary files of an S3 lake, by default the system's; a local lake uses its own disk."""
    kernel: Literal["auto", "native", "python"] = "auto"
    """What reads and sorts events: native (compiled), python, or auto: native where it is installed."""
    on_bad_file: Literal["stop", "skip"] = "stop"
    """What ingest does about a source file that cannot be taken: stop, or skip (go on without it)."""
    settle_seconds: int = Field(default=0, ge=0)
    """A drop whose newest file is younger than this is still arriving."""
    window_days_before: int = Field(default=400, ge=0, le=36500)
    """Days before the week within which an event can have happened: devices that were offline send late."""
    window_days_after: int = Field(default=8, ge=0, le=36500)
    """Days after it: a folder may be named for its week's first day."""
    day_first: bool = False
    """Read 5/8/2024 as 5 August instead of May 8."""
    volatile_fields: Annotated[tuple[str, ...], NoDecode] = ("LogTime", "UploadTime", "SeqNo", "BatchId")
    """Top-level fields of ev that differ between re-sends of one event; comma-separated."""
    feature_weeks: int = Field(default=13, ge=0)
    """Newest clean weeks that the features cover; 0: all."""
    gate_missing_timestamp_ratio: Ratio = None
    """Largest share of raw rows without any timestamp; above it nothing is published (exit 4)."""
    gate_invalid_timestamp_ratio: Ratio = None
    """Largest share of raw rows whose first timestamp is unusable."""
    gate_valid_timestamp_coverage: Ratio = None
    """Smallest share of clean rows with a valid timestamp."""
    gate_missing_event_id_ratio: Ratio = None
    """Largest share of raw rows without an EventId."""
    gate_ev_unparsable_ratio: Ratio = None
    """Largest share of raw rows whose ev cannot be read."""
    gate_duplicate_ratio: Ratio = None
    """Largest share of raw rows that are re-sends."""
    gate_error_ratio: Ratio = None
    """Largest share of clean rows that are errors."""
    gate_event_id_conflicts: int | None = Field(default=None, ge=0)
    """Most groups merged by EventId whose payloads differ."""
    gate_raw_bytes: int | None = Field(default=None, ge=0)
    """Largest drop, in bytes."""
    sla_ingest_seconds: float = Field(default=120, gt=0)
    """Longest that ingest may take, at 12 million rows."""
    sla_clean_seconds: float = Field(default=480, gt=0)
    """The same of clean."""
    sla_feature_seconds: float = Field(default=180, gt=0)
    """The same of feature."""
    sla_workflow_seconds: float = Field(default=1200, gt=0)
    """The same of a whole workflow: the three stages, and the starts of their containers."""
    alert_attempts: int = Field(default=2, ge=1)
    """Retry of a stage, from 0, that calls a person: one retry is what retries are for."""
    alert_overdue_days: float = Field(default=7.5, gt=0)
    """Days after the newest drop's date by which the next one has to have come."""
    alert_unpublished_days: float = Field(default=8, gt=0)
    """Days after the newest published week's date by which the next one has to be published."""
    alert_success_ratio: float = Field(default=0.99, ge=0, le=1)
    """Smallest share of the weeks that were due within a year to be published: the SLA."""
    alert_raw_bytes_change: float = Field(default=0.3, gt=0)
    """Largest ordinary difference of a drop's bytes from the previous one's, as a share of the latter."""
    alert_duplicate_ratio: float = Field(default=0.15, ge=0)
    """Share of re-sends that calls a person; an ordinary week has 5 to 10 %."""
    alert_invalid_timestamp_ratio: float = Field(default=0.05, ge=0)
    """The same of raw rows whose first timestamp is unusable; an ordinary week has 1 to 2 %."""
    alert_missing_timestamp_ratio: float = Field(default=0.02, ge=0)
    """The same of raw rows without any timestamp."""
    alert_ev_unparsable_ratio: float = Field(default=0.01, ge=0)
    """The same of raw rows whose ev cannot be read."""
    alert_quarantined_ratio: float = Field(default=0.005, ge=0)
    """The same of source rows that ingest refused."""
    alert_event_id_conflict_ratio: float = Field(default=0.005, ge=0)
    """The same of groups merged by EventId whose payloads differ, per raw row."""
    alert_error_ratio_change: float = Field(default=1.0, gt=0)
    """Largest ordinary rise of the error ratio over the previous week's, as a share of the latter: 1 doubles it."""
    alert_deviations: float = Field(default=5.0, gt=0)
    """Robust standard deviations from the median of the last 8 ordinary weeks beyond which a figure is unusual."""
    pushgateway: str | None = None
    """Address of a Prometheus Pushgateway; none: no metrics are pushed."""
    push_job: str = Field(default="eventlog", pattern=r"^[A-Za-z0-9_.-]+$")
    """Job under which metrics are pushed: catch-ups and backfills have names of their own, so that they page nobody."""
    run_id: str = Field(default_factory=lambda: uuid.uuid4().hex[:12])
    """Name of the run in logs, metrics and manifests, such as the workflow's; by default a random one."""
    attempt: int = Field(default=0, ge=0)
    """Which retry this is, from 0."""
    termination_log: Path = Path("/dev/termination-log")
    """Where Kubernetes expects the last words of a container; written only where it exists."""
    outputs: Path | None = None
    """Folder for a small file per fact of the run, such as rows-in: a workflow reads its output parameters there."""
    workflow_status: Literal["Succeeded", "Failed", "Error"] | None = None
    """How the workflow ended, as Argo's exit handler is told; only the verdict reads it."""
    workflow_failures: str | None = None
    """Its failed steps as JSON, as Argo's exit handler is told; only the verdict reads it."""
    workflow_duration: float | None = Field(default=None, ge=0)
    """Seconds that it took, as Argo's exit handler is told; only the verdict reads it."""

    @field_validator("volatile_fields", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @field_validator("week")
    @classmethod
    def _a_date(cls, value: str) -> str:
        if value != "auto" and not layout.is_week(value):
            raise ValueError("must be a calendar date such as 2024-05-10, or auto")
        return value

    @field_validator("source", "lake")
    @classmethod
    def _a_place(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must name a folder or s3://bucket/prefix")
        return value

    def gates(self) -> dict[str, float]:
        """The gates that are set, by figure."""
        names = [*Figures.__dataclass_fields__, "raw_bytes"]
        return {name: gate for name in names if (gate := getattr(self, f"gate_{name}")) is not None}

    def limits(self) -> Limits:
        """What a week's data is judged by."""
        return Limits(**{field.name: getattr(self, f"alert_{field.name}") for field in fields(Limits)})

    def sla_seconds(self, part: str) -> float:
        """How long a stage, or the whole `workflow`, may take."""
        return float(getattr(self, f"sla_{part}_seconds"))

    def job_of(self, week: str, newest: str) -> str:
        """The job under which a week's metrics are pushed: only the newest week is the state of things.

        Older ones, such as a drop that was replaced, have a job that calls nobody.
        """
        return self.push_job if week >= newest else f"{self.push_job}-catchup"

    def bytes_of(self, stage: Stage) -> dict[str, Any]:
        """The settings that change what a stage writes, as JSON has them: part of its fingerprint."""
        match stage:
            case "ingest":
                names = ["on_bad_file"]
            case "clean":
                names = ["window_days_before", "window_days_after", "day_first", "volatile_fields"]
            case "feature":
                names = []  # the weeks that take part are its inputs
        return self.model_dump(mode="json", include=set(names))

    def as_published(self, byte_settings: dict[str, Any]) -> "Settings":
        """These settings, but what changes bytes as a manifest has it, and no gate: to publish it again."""
        published = {name: tuple(v) if isinstance(v, list) else v for name, v in byte_settings.items()}
        gates = {name: None for name in type(self).model_fields if name.startswith("gate_")}
        return self.model_copy(update=gates | published)


class Described(NamedTuple):
    """One setting, for people."""

    name: str
    variable: str
    value: str
    """Without credentials."""
    origin: Literal["default", "environment", "option"]
    meaning: str


def load_settings(**options: Any) -> Settings:
    """Settings from the environment, overridden by the options that are not None; UsageError names every fault."""
    unknown = [
        name
        for name in sorted(os.environ)
        if name.upper().startswith(PREFIX)
        and name.upper().removeprefix(PREFIX).lower() not in Settings.model_fields
        and not _SERVICE_LINK.fullmatch(name.upper())
    ]
    faults = [f"{name} is not a setting of this program; see `eventlog config show`" for name in unknown]
    given = {name: value for name, value in options.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as invalid:
        faults += [_fault(error["loc"], error["msg"], error["input"], given) for error in invalid.errors()]
    if faults:
        raise UsageError("; ".join(faults))
    return settings


def describe(settings: Settings, **options: Any) -> list[Described]:
    """Every setting with its value, where that came from, and what it means."""
    variables = {name.upper() for name, value in os.environ.items() if value}
    described = []
    for name, field in Settings.model_fields.items():
        variable = PREFIX + name.upper()
        origin: Literal["default", "environment", "option"] = "environment" if variable in variables else "default"
        if options.get(name) is not None:
            origin = "option"
        meaning = " ".join((field.description or "").split())
        described.append(Described(name, variable, _shown(getattr(settings, name)), origin, meaning))
    return described


def termination_log() -> Path:
    """Where the last words go, also when the settings are what is wrong."""
    return Path(os.environ.get(f"{PREFIX}TERMINATION_LOG") or Settings.model_fields["termination_log"].default)


def masked(text: str) -> str:
    """A text without the credentials that an address in it may carry."""
    return _SECRET_PARAMETER.sub(r"\1***", _CREDENTIALS.sub("***", text))


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(str(part) for part in value)
        case _:
            return masked(str(value))


_OPTIONS = {"push_job": "job"}
"""Settings whose option has another name."""


def _fault(where: tuple[int | str, ...], message: str, value: object, given: dict[str, Any]) -> str:
    name = str(where[0])
    shown = f"--{_OPTIONS.get(name, name)}" if name in given else f"{PREFIX}{name.upper()}"
    return f"{shown}={masked(str(value))}: {message.removeprefix('Value error, ')}"
