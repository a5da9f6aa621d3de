"""Where everything lies in a lake: every path of the project is made and read here.

Keys are relative to the lake, with forward slashes. Only final data files lie under the zones
``raw/ clean/ feature/ quarantine/``; everything else is under ``_control/``.
"""

import datetime as dt
import re
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

Stage = Literal["ingest", "clean", "feature"]
ZONES = ("raw", "clean", "feature", "quarantine")
STAGES: tuple[Stage, ...] = ("ingest", "clean", "feature")

UNKNOWN_PN = "UNKNOWN"
MAX_ENCODED_PN = 200
"""Bytes of a percent-encoded pn; with the week in front it must fit a file name (255 on most systems)."""

DEVICE_FEATURES = "feature/event_log/device_features.parquet"
ERROR_EVENTS = "feature/event_log/error_events.parquet"
TEMPORARY = "_control/tmp"
ERASURES = "_control/erasures.json"
"""The devices that were erased: what ingest leaves out."""
ERASURES_LOCK = "_control/erasures.lock"

_WEEK = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ZONE = {"ingest": "raw", "clean": "clean"}


def is_week(name: str) -> bool:
    """Whether a folder's name is a calendar date, YYYY-MM-DD."""
    if not _WEEK.fullmatch(name):
        return False
    try:
        dt.date.fromisoformat(name)
    except ValueError:
        return False
    return True


def encode_pn(pn: str) -> str:
    """Percent-encode a partition value byte by byte: all but ``A-Za-z0-9_.~-`` become ``%XX``."""
    return quote(pn, safe="")


class Partition(NamedTuple):
    """What the key of a partitioned file says."""

    week: str
    pn: str


def partition_key(stage: Stage, week: str, pn: str) -> str:
    """The one file of a week and pn, in raw (stage ingest) or clean."""
    encoded = encode_pn(pn)
    return f"{_ZONE[stage]}/event_log/week={week}/pn={encoded}/{week}_{encoded}.parquet"


def partition_of(key: str) -> Partition:
    """The week and (decoded) pn of a key made by `partition_key`."""
    _, _, week, pn, _ = key.split("/")
    return Partition(week.removeprefix("week="), unquote(pn.removeprefix("pn=")))


def quarantine_key(week: str) -> str:
    """The rows of a week that ingest refused."""
    return f"quarantine/event_log/week={week}/ingest.parquet"


def zone_prefixes(stage: Stage, week: str | None) -> tuple[str, ...]:
    """The prefixes that a run of the stage owns and lists."""
    match stage:
        case "ingest":
            return f"raw/event_log/week={week}/", f"quarantine/event_log/week={week}/"
        case "clean":
            return (f"clean/event_log/week={week}/",)
        case "feature":
            return ("feature/event_log/",)


def control_folder(stage: Stage, week: str | None) -> str:
    """The folder of a run's claim, lock and manifest, with a slash at its end."""
    return f"_control/{stage}/" if week is None else f"_control/{stage}/week={week}/"


def claim_key(stage: Stage, week: str | None) -> str:
    """Who writes what: generation, fingerprint and every key ever written."""
    return control_folder(stage, week) + "claim.json"


def manifest_key(stage: Stage, week: str | None) -> str:
    """What was published, written last."""
    return control_folder(stage, week) + "manifest.json"


def lock_key(stage: Stage, week: str | None) -> str:
    """The file that writers of a local lake lock."""
    return control_folder(stage, week) + "lock"


REPORTS = "_control/reports/"


def week_of_report(key: str) -> str | None:
    """The week whose page or JSON a key is; None for another key."""
    match = re.fullmatch(rf"{REPORTS}week=([0-9-]{{10}})/report\.(html|json)", key)
    return match[1] if match else None


def report_key(week: str, kind: Literal["html", "json"]) -> str:
    """The report of a week: no zone file, and made anew from the manifests at any time."""
    return f"_control/reports/week={week}/report.{kind}"


def report_lock_key(week: str) -> str:
    """The file that writers of a week's report lock in a local lake."""
    return f"_control/reports/week={week}/lock"


def accepted_key(week: str) -> str:
    """What a person said of a week's findings (`eventlog accept`)."""
    return f"_control/accepted/week={week}.json"


def accepted_lock_key() -> str:
    """The file that writers of these records lock, in a local lake."""
    return "_control/accepted/lock"


def week_of_control(key: str) -> str | None:
    """The week whose claim, lock or manifest a key is; None for another key."""
    match = re.fullmatch(r"_control/[a-z]+/week=([0-9-]{10})/[a-z.]+", key)
    return match[1] if match else None


def week_of_zone(key: str) -> str | None:
    """The week whose data file a key is; None for the feature tables."""
    match = re.match(r"[a-z]+/event_log/week=([0-9-]{10})/", key)
    return match[1] if match else None
