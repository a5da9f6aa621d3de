"""What a person wants to see when a run has ended: rows, quality, where the files are and how to ask them."""

import shlex
import sys
from pathlib import Path

from rich.table import Table

from services.contracts import layout
from services.contracts.manifest import Counts, Figures
from services.control.run import RunResult
from services.control.terminal import count, percent, table
from services.lake.store import Store
from services.runtime.outcome import StageResult


def show(run: RunResult, lake: Store) -> list[Table | str]:
    """The summary of a run, as tables and commands that work when pasted."""
    weeks = [result for result in run.results if result.week]
    parts: list[Table | str] = [_stages(run.results)]
    if any(result.manifest for result in weeks):
        parts += [_rows(weeks), *_quarantine(weeks)]
    feature = next((result for result in run.results if result.stage == "feature" and result.manifest), None)
    if feature:
        parts.append(_features(feature))
    if any(result.manifest for result in run.results):
        parts += _places(lake)
    return parts


def _stages(results: tuple[StageResult, ...]) -> Table:
    made = table(
        None, "stage", "week", "outcome", "seconds", "because", left=("stage", "week", "outcome"), prose=("because",)
    )
    for result in results:
        seconds = f"{result.seconds:.1f}" if result.outcome not in ("failed", "skipped") else ""
        made.add_row(result.stage, result.week or "", result.outcome, seconds, result.reason)
    return made


def _rows(results: list[StageResult]) -> Table:
    cleaned = ("re-sends", "clean", "invalid times", "missing times", "errors")
    made = table("\nRows", "week", "source", "quarantined", "raw", *cleaned, left=("week",))
    for week in dict.fromkeys(result.week for result in results):
        found = {result.stage: result.manifest for result in results if result.week == week and result.manifest}
        if not found:
            continue
        ledger = {term: rows for manifest in found.values() for term, rows in manifest.ledger.items()}
        clean = found.get("clean")
        counts = clean.quality.counts if clean and clean.quality else None
        made.add_row(
            week,
            count(ledger.get("source_rows")),
            count(ledger.get("quarantined_rows")),
            count(ledger.get("raw_rows")),
            *(_clean_cells(counts) if counts else ()),
        )
    return made


def _clean_cells(counts: Counts) -> list[str]:
    figures = Figures.of(counts)
    return [
        f"{counts.resends:,} ({percent(figures.duplicate_ratio)})",
        count(counts.clean_rows),
        f"{counts.invalid_timestamp:,} ({percent(figures.invalid_timestamp_ratio)})",
        f"{counts.missing_timestamp:,} ({percent(figures.missing_timestamp_ratio)})",
        f"{counts.errors:,} ({percent(figures.error_ratio)})",
    ]


def _quarantine(results: list[StageResult]) -> list[str]:
    lines = []
    for result in results:
        drop = result.manifest.drop if result.manifest else None
        reasons = {reason: rows for reason, rows in drop.quarantined.items() if rows} if drop else {}
        if reasons:
            lines.append(f"{result.week} quarantined: " + ", ".join(f"{n:,} {reason}" for reason, n in reasons.items()))
        erased = result.manifest.ledger.get("erased_rows") if result.manifest else 0
        if erased:
            lines.append(f"{result.week} erased: {erased:,} rows of devices that are not to come back")
        lines += [f"{result.week} skipped: {skipped}" for skipped in (drop.skipped_files if drop else {}).values()]
    return ["", *lines] if lines else []


def _features(feature: StageResult) -> str:
    manifest = feature.manifest
    if manifest is None or manifest.window is None:
        return ""
    errors = {output.key: output.rows for output in manifest.outputs}.get(layout.ERROR_EVENTS, 0)
    weeks = f"newest {len(manifest.window.weeks)} weeks, up to {manifest.window.as_of_week}"
    return f"\nFeatures of {manifest.window.devices:,} devices and {errors:,} error events, over the {weeks}"


def _places(lake: Store) -> list[str]:
    """Where to find what has been made so far."""
    url = lake.url.rstrip("/")
    files = {
        "raw events": "raw/event_log/week=…/pn=…/",
        "clean events": "clean/event_log/week=…/pn=…/",
        "features": layout.DEVICE_FEATURES,
        "error events": layout.ERROR_EVENTS,
        "quarantine": "quarantine/event_log/week=…/",
    }
    zones = lake.folders("")
    questions = {"clean": _duckdb(url), "feature": _pandas(url)}
    lines = [f"  {name:14} {url}/{path}" for name, path in files.items() if path.partition("/")[0] in zones]
    asked = [f"  {_python(code)}" for zone, code in questions.items() if zone in zones]
    return ["\nFiles", *lines, *(["\nAsk them (paste one)", *asked] if asked else [])]


def _duckdb(url: str) -> str:
    select = "SELECT week, pn, count(*) AS events, count(valid_timestamp) AS timed FROM"
    if url.startswith("s3://"):  # through pyarrow: it takes the same AWS variables, and DuckDB needs no extension
        folder = f"{url}/clean/event_log"
        opened = f"import duckdb, pyarrow.dataset as ds; events = ds.dataset({folder!r}, partitioning='hive')"
        return f"{opened}; duckdb.sql('{select} events GROUP BY ALL ORDER BY ALL').show()"
    glob = f"{url}/clean/event_log/*/*/*.parquet".replace("'", "''")
    types = "hive_types={'week': VARCHAR, 'pn': VARCHAR}"
    return f"import duckdb; duckdb.sql('''{select} read_parquet('{glob}', {types}) GROUP BY ALL ORDER BY ALL''').show()"


def _pandas(url: str) -> str:
    features = f"{url}/{layout.DEVICE_FEATURES}"
    columns = "['service_tag', 'total_events', 'error_count_total', 'error_ratio', 'last_error_time', 'dominate_pn']"
    return (
        f"import pandas as pd; print(pd.read_parquet({features!r}, columns={columns})"
        ".nlargest(10, 'error_count_total').to_string(index=False))"
    )


def _python(code: str) -> str:
    """A shell command that runs the code with this very Python, which has DuckDB and pandas."""
    python = Path(sys.executable)
    here = Path.cwd()
    name = f"./{python.relative_to(here)}" if python.is_relative_to(here) else str(python)
    plain = not set(code) & set('"$`\\!')
    return f"{shlex.quote(name)} -c " + (f'"{code}"' if plain else shlex.quote(code))
