"""What every peer is asked: one stage of one week, by one process."""

import argparse
import datetime as dt
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

VOLATILE = ("LogTime", "UploadTime", "SeqNo", "BatchId")
_DAYS_BEFORE, _DAYS_AFTER = 400, 8


@dataclass(frozen=True)
class Job:
    """Where a stage reads and writes, and what it may use."""

    source: Path
    """The folder of drops."""
    lake: Path
    """This peer's own."""
    week: str
    threads: int
    memory_gb: int

    @property
    def drop(self) -> Path:
        return self.source / self.week

    @property
    def raw(self) -> Path:
        """What ingest writes, by pn."""
        return self.lake / "raw" / self.week

    @property
    def clean(self) -> Path:
        """What clean writes, by pn."""
        return self.lake / "clean" / self.week

    @property
    def device_features(self) -> Path:
        return self.lake / "feature" / "device_features.parquet"

    @property
    def error_events(self) -> Path:
        return self.lake / "feature" / "error_events.parquet"

    @property
    def window(self) -> tuple[dt.datetime, dt.datetime]:
        """The earliest and the latest plausible time, both included, UTC."""
        week = dt.datetime.fromisoformat(self.week).replace(tzinfo=dt.UTC)
        return week - dt.timedelta(days=_DAYS_BEFORE), week + dt.timedelta(days=_DAYS_AFTER)


Stages = Mapping[str, Callable[[Job], None]]


def run_peer(stages: Stages) -> None:
    """Do the stage that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("stage", choices=[*stages])
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--week", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--memory-gb", type=int, required=True)
    options = vars(parser.parse_args())
    stage = options.pop("stage")
    job = Job(**options)
    output = {"ingest": job.raw, "clean": job.clean, "feature": job.device_features.parent}[stage]
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    stages[stage](job)
