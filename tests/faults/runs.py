"""Running stages as a pod does, and saying how they ended."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from services.clean.job import clean
from services.contracts.layout import STAGES, Stage
from services.feature.job import feature
from services.ingest.job import ingest
from services.lake.publish import Outcome
from services.lake.s3 import Client, S3Store
from services.lake.store import Store
from services.runtime.settings import Settings
from services.runtime.stage import explain
from tests.faults.drops import NEXT_WEEK, WEEK, Version, drop
from tests.faults.objects import KilledError
from tests.faults.s3 import Bucket

SOURCE, LAKE = "s3://bucket/source", "s3://bucket/lake"
WEEKS = (WEEK, NEXT_WEEK)


class Ending(NamedTuple):
    """How a run ended."""

    exit_code: int | None
    """None: it was killed."""
    said: str
    """The outcome's kind, or the sentence of the failure."""
    seconds: float
    """By the clock of the bucket."""


def deliver(bucket: Bucket, week: str, version: Version) -> None:
    """Make a week's drop what this version says; files that are the same stay as they are."""
    prefix = f"source/{week}/"
    files = {prefix + name: content for name, content in drop(version).items()}
    for key in [key for key in bucket.objects if key.startswith(prefix) and key not in files]:
        del bucket.objects[key]
    for key, content in files.items():
        if key not in bucket.objects or bucket.objects[key].content != content:
            bucket.write(key, content)


def run_stage(bucket: Bucket, stage: Stage, scratch: Path, week: str = WEEK, **options: object) -> Ending:
    """One run of a stage over the bucket."""
    settings = Settings(source=SOURCE, lake=LAKE, week=week, workers=1, scratch=scratch, **options)  # type: ignore[arg-type]
    began = bucket.clock.now
    try:
        outcome = outcome_of(bucket.client, settings, stage, week)
    except KilledError:
        return Ending(None, "killed", bucket.clock.now - began)
    except Exception as error:  # noqa: BLE001  (as the shell of a stage does)
        return Ending(*explain(error), bucket.clock.now - began)
    return Ending(0, outcome.kind, bucket.clock.now - began)


def outcome_of(client: Client, settings: Settings, stage: Stage, week: str) -> Outcome:
    """Open the stores and run a stage; whatever it raises goes through."""
    lake: Store = S3Store(settings.lake, client=client)
    match stage:
        case "ingest":
            return ingest(settings, S3Store(settings.source, client=client), lake, week)
        case "clean":
            return clean(settings, lake, week)
        case "feature":
            return feature(settings, lake)


def run_all(bucket: Bucket, scratch: Path, week: str = WEEK, **options: object) -> list[Ending]:
    """The three stages, one after the other."""
    return [run_stage(bucket, stage, scratch, week, **options) for stage in STAGES]
