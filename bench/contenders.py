"""Who takes part: the product with either kernel, and each peer; how a stage of each is started."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

STAGES = ("ingest", "clean", "feature")
NATIVE, PYTHON, DUCKDB, PANDAS = "eventlog (native kernel)", "eventlog (Python kernel)", "DuckDB", "pandas"

_PLANNERS = ("duckdb", "pyspark")
"""Those that take a limit to plan with."""


@dataclass(frozen=True)
class Contender:
    """One way to do the three stages."""

    name: str
    prefix: tuple[str, ...]
    """What starts it; `STAGE` stands for the stage."""
    suffix: tuple[str, ...]
    uses: str
    """Its version, threads and memory, for people."""
    environment: Mapping[str, str] = field(default_factory=dict)
    missing: str | None = None
    """Why it cannot take part here."""
    feature_takes_week: bool = True
    rounds: int | None = None
    """In how many rounds it takes part at most: of those that take minutes one pass says enough."""

    def command(self, stage: str, source: str, lake: Path, week: str) -> list[str]:
        """The command of a stage."""
        start = [part.replace("STAGE", stage) for part in self.prefix]
        weeks = ["--week", week] if stage != "feature" or self.feature_takes_week else []
        return [*start, "--source", source, "--lake", str(lake), *weeks, *self.suffix]


def contenders(product: Path, threads: int, memory_gb: int) -> list[Contender]:
    """All of them; `product` is the Python in which the product is installed."""
    return [
        eventlog(product, "native", threads),
        eventlog(product, "python", threads),
        _peer(DUCKDB, "duckdb_sql", "duckdb", threads, memory_gb),
        replace(_peer(PANDAS, "pandas_rows", "pandas", 1, memory_gb), rounds=1),
        replace(_peer("Polars", "polars_lazy", "polars", threads, memory_gb), rounds=1),
        replace(_peer("PySpark", "spark_local", "pyspark", threads, memory_gb, needs="java"), rounds=1),
    ]


def eventlog(product: Path, kernel: str, workers: int) -> Contender:
    """The product, by the doors of its containers."""
    lacks = kernel == "native" and not _has(product, "eventlog_kernel")
    return Contender(
        name=NATIVE if kernel == "native" else PYTHON,
        prefix=(str(product), "-m", "services.STAGE", "-q"),
        suffix=("--workers", str(workers)),
        uses=f"{workers} workers, at most 1 GiB by its own limit",
        environment=_environment({"EVENTLOG_KERNEL": kernel}),
        missing="the native kernel is not installed (`make setup` builds it where cargo is there)" if lacks else None,
        feature_takes_week=False,
    )


def _peer(name: str, module: str, package: str, threads: int, memory_gb: int, needs: str | None = None) -> Contender:
    missing = f"{needs} is not installed" if needs and not shutil.which(needs) else None
    try:
        release = version(package)
    except PackageNotFoundError:
        release, missing = "", f"{package} is not installed"
    # Three quarters of the limit for what it plans with; the rest for what it does not count.
    planned = memory_gb * 3 // 4
    memory = f"may hold {memory_gb} GB"
    if package in _PLANNERS:
        memory = f"plans with {planned} GB, {memory}"
    return Contender(
        name=name,
        prefix=(sys.executable, "-m", f"bench.peers.{module}", "STAGE"),
        suffix=("--threads", str(threads), "--memory-gb", str(planned)),
        uses=f"{package} {release}, {threads} thread{'s' * (threads > 1)}, {memory}",
        environment=_environment({"POLARS_MAX_THREADS": str(threads)}),
        missing=missing,
    )


def _has(python: Path, module: str) -> bool:
    return subprocess.run([python, "-c", f"import {module}"], check=False, capture_output=True).returncode == 0


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """Ours, without settings of the product, in UTC."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("EVENTLOG_")}
    return {**kept, "TZ": "UTC", **own}
