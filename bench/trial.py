"""One contender once through the three stages of a drop, into a fresh lake."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from bench.contenders import STAGES, Contender
from bench.measure import Measured, measure


@dataclass(frozen=True)
class Trial:
    """What one pass took and what it left."""

    contender: str
    rows: int
    """Of the drop."""
    round: int
    stages: dict[str, Measured]
    """Those that were run; the last may have failed."""
    raw_rows: int | None
    kept_rows: int | None
    """Rows of the clean files, from their footers; None where the pass failed."""
    devices: int | None
    errors: int | None

    @property
    def good(self) -> bool:
        """Whether all stages came through."""
        return len(self.stages) == len(STAGES) and all(stage.exit_code == 0 for stage in self.stages.values())

    @property
    def wall_seconds(self) -> float:
        """Of all stages."""
        return sum(stage.wall_seconds for stage in self.stages.values())

    @property
    def cpu_seconds(self) -> float:
        """Of all stages."""
        return sum(stage.cpu_seconds for stage in self.stages.values())

    @property
    def peak_bytes(self) -> int:
        """Of the stage that needs most."""
        return max(stage.peak_bytes for stage in self.stages.values())

    @property
    def fault(self) -> str | None:
        """How it failed, in a few words."""
        for name, stage in self.stages.items():
            if stage.exit_code:
                last = stage.last_words.strip().rsplit("\n", 1)[-1][:160]
                return f"{name}: out of memory" if _starved(stage) else f"{name}: exit code {stage.exit_code}: {last}"
        return None


def run_trial(contender: Contender, source: str, week: str, rows: int, round_: int, *, lake: Path, limit: int) -> Trial:
    """Run the stages one after the other, each as a process of its own that may hold `limit` bytes."""
    for file in sorted((Path(source) / week).iterdir()):
        file.read_bytes()  # into the file cache, so that nobody pays for being first
    shutil.rmtree(lake, ignore_errors=True)
    lake.mkdir(parents=True)
    stages: dict[str, Measured] = {}
    for stage in STAGES:
        took = measure(contender.command(stage, source, lake, week), contender.environment, limit)
        stages[stage] = took._replace(last_words=_FOLDERS.sub("", took.last_words))
        print(
            f"  {contender.name:26} {stage:8} {took.wall_seconds:8.2f} s {took.cpu_seconds:8.2f} s CPU "
            f"{took.peak_bytes / 2**20:8,.0f} MiB{'' if took.exit_code == 0 else f'  exit code {took.exit_code}'}",
            flush=True,
        )
        if took.exit_code:
            break
    good = all(stage.exit_code == 0 for stage in stages.values())
    counts = [_rows_below(lake / part, name) if good else None for part, name in _COUNTED]
    shutil.rmtree(lake)
    return Trial(contender.name, rows, round_, stages, *counts)


_FOLDERS = re.compile(r"(?<![\w.])/[\w./=-]*/")
"""Where things are on this machine is no part of a result."""
_COUNTED = (("raw", ""), ("clean", ""), ("feature", "device_features"), ("feature", "error_events"))


def _rows_below(folder: Path, name: str) -> int:
    files = [path for path in folder.rglob("*.parquet") if path.is_file() and name in str(path)]
    return sum(pq.read_metadata(path).num_rows for path in files)


def _starved(stage: Measured) -> bool:
    return stage.out_of_memory or "MemoryError" in stage.last_words or "Out of Memory" in stage.last_words
