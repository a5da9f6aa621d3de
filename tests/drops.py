"""Tiny drops, the real stages over them, and what comes out in the shape that the reference has.

Everything here works on a folder of the test's own; nothing of it knows what is right.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from structlog.testing import capture_logs

from services.clean.job import clean
from services.contracts import layout
from services.contracts.manifest import Manifest
from services.feature.job import feature
from services.ingest.job import ingest
from services.lake.publish import Outcome, read_manifest
from services.lake.store import open_store
from services.runtime.settings import Settings
from tests import reference

WEEK = "2024-05-10"
NEXT_WEEK = "2024-05-17"
TEN = "2024-05-08T10:00:00Z"
TEN_US = 1_715_162_400_000_000
"""TEN in µs since 1970."""
SECOND = 1_000_000
ZONES = ("raw", "clean", "feature", "quarantine")

Files = Mapping[str, pa.Table]
"""The tables of a drop by the names of its files."""


def ev(**fields: object) -> str:
    """An event as JSON, its fields in the order in which they are given."""
    return json.dumps(fields, ensure_ascii=False)


def row(tag: str | None = "T1", **columns: Any) -> dict[str, Any]:
    """A source row: an ordinary info event of device T1 unless said otherwise."""
    ordinary = {"pn": "I13", "cat": "Info", "ev": ev(TimeStamp=TEN, EventId=7), "ts": None, "eventdate": None}
    return {"service_tag": tag, **ordinary, **columns}


def table(*rows: Mapping[str, Any]) -> pa.Table:
    """Rows as a source file has them: strings, and eventdate as int64."""
    types = {
        "service_tag": "string",
        "pn": "string",
        "cat": "string",
        "ev": "string",
        "ts": "string",
        "eventdate": "int64",
    }
    return pa.table({name: pa.array([r[name] for r in rows], kind) for name, kind in types.items()})


def broken(*values: bytes) -> pa.Array:
    """Strings whose bytes nobody has checked."""
    good = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(good), good.buffers())


@dataclass(frozen=True)
class Chain:
    """A source and a lake in one folder, and the stages between them."""

    root: Path

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    def drop(self, files: Files, week: str = WEEK, **how: Any) -> None:
        """Put a week's drop into the source, in place of an earlier one."""
        folder = self.root / "source" / week
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.parquet"):
            old.unlink()
        for name, content in files.items():
            pq.write_table(content, folder / name, **how)

    def settings(self, **chosen: Any) -> Settings:
        return Settings(source=str(self.root / "source"), lake=str(self.lake), **{"workers": 1, **chosen})

    def ingest(self, week: str = WEEK, **chosen: Any) -> Outcome:
        settings = self.settings(**chosen)
        with capture_logs():
            return ingest(settings, open_store(settings.source), open_store(settings.lake, create=True), week)

    def clean(self, week: str = WEEK, **chosen: Any) -> Outcome:
        settings = self.settings(**chosen)
        with capture_logs():
            return clean(settings, open_store(settings.lake), week)

    def feature(self, **chosen: Any) -> Outcome:
        settings = self.settings(**chosen)
        with capture_logs():
            return feature(settings, open_store(settings.lake))

    def run(self, *weeks: str, **chosen: Any) -> list[Outcome]:
        """All stages over the weeks, one after the other."""
        outcomes = []
        for week in weeks or (WEEK,):
            outcomes += [self.ingest(week, **chosen), self.clean(week, **chosen)]
        return [*outcomes, self.feature(**chosen)]

    def manifest(self, stage: layout.Stage, week: str | None = WEEK) -> Manifest:
        found = read_manifest(open_store(str(self.lake)), stage, week)
        assert found is not None
        return found

    def partitions(self, stage: layout.Stage, week: str = WEEK) -> dict[str, pa.Table]:
        """The rows of each pn in raw (stage ingest) or clean, by pn."""
        prefix = layout.zone_prefixes(stage, week)[0]
        files = sorted((self.lake / prefix).rglob("*.parquet"))
        found = {layout.partition_of(path.relative_to(self.lake).as_posix()).pn: read_file(path) for path in files}
        return dict(sorted(found.items(), key=lambda item: item[0].encode()))

    def rows(self, stage: layout.Stage, week: str = WEEK) -> pa.Table:
        """All rows of a week in raw or clean with their `pn`, by pn and then as within a partition."""
        parts = [
            part.append_column("pn", pa.repeat(pn, len(part))) for pn, part in self.partitions(stage, week).items()
        ]
        return pa.concat_tables(parts) if parts else pa.table({})

    def quarantine(self, week: str = WEEK) -> pa.Table:
        return read_file(self.lake / layout.quarantine_key(week))

    def device_features(self) -> pa.Table:
        return read_file(self.lake / layout.DEVICE_FEATURES)

    def error_events(self) -> pa.Table:
        return read_file(self.lake / layout.ERROR_EVENTS)

    def published(self) -> dict[str, str]:
        """The SHA-256 of every file under the zones, by key."""
        files = sorted(path for zone in ZONES for path in (self.lake / zone).rglob("*") if path.is_file())
        return {p.relative_to(self.lake).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def read_file(path: Path | BinaryIO) -> pa.Table:
    """A file of the lake, its dictionaries and metadata taken away."""
    found = pq.ParquetFile(path).read().replace_schema_metadata()
    for place, field in enumerate(found.schema):
        if pa.types.is_dictionary(field.type):
            found = found.set_column(place, field.name, found[field.name].cast(field.type.value_type))
    return found


def assert_follows_reference(chain: Chain, drops: Mapping[str, Files], weeks: int = 13, **rules: Any) -> None:
    """Everything that the chain published for these drops is what the reference makes of them."""
    cleans = {}
    for week, files in drops.items():
        raw, quarantine = reference.ingest(files, week)
        cleans[week], figures, resends = reference.clean(raw, week, **rules)
        if len(raw):
            _assert_equal(f"{week} raw", _of_arrow(chain.rows("ingest", week)), _of_frame(raw))
        _assert_equal(
            f"{week} quarantine",
            _of_arrow(chain.quarantine(week).select(["reason", "source_file", "source_row"])),
            _of_frame(quarantine),
        )
        if len(cleans[week]):
            _assert_equal(f"{week} clean", _of_arrow(chain.rows("clean", week)), _of_frame(cleans[week]))
        assert sum(len(part) for part in chain.partitions("clean", week).values()) == len(cleans[week])
        _assert_manifests(chain, week, files, raw, quarantine, cleans[week], figures, resends)
    features, errors = reference.feature(cleans, weeks)
    _assert_equal("device_features", _of_arrow(chain.device_features()), _of_frame(features))
    _assert_equal("error_events", _of_arrow(chain.error_events()), _of_frame(errors))
    assert chain.manifest("feature", None).ledger == {
        "clean_rows": int(features["total_events"].sum()),
        "total_events": int(features["total_events"].sum()),
        "error_events": len(errors),
    }


def _assert_manifests(
    chain: Chain,
    week: str,
    files: Files,
    raw: pd.DataFrame,
    quarantine: pd.DataFrame,
    cleaned: pd.DataFrame,
    figures: Mapping[str, Any],
    resends: pd.DataFrame,
) -> None:
    """Ledgers, figures and counts, of the week and of each pn."""
    taken, made = chain.manifest("ingest", week), chain.manifest("clean", week)
    assert taken.drop and made.quality and made.quality.figures
    assert taken.ledger == {
        "source_rows": sum(len(content) for content in files.values()),
        "raw_rows": len(raw),
        "quarantined_rows": len(quarantine),
        "erased_rows": 0,
    }
    reasons = quarantine["reason"].value_counts().to_dict()
    assert {reason: n for reason, n in taken.drop.quarantined.items() if n} == reasons
    assert taken.drop.rows_by_file == {name: len(content) for name, content in files.items()}
    assert taken.drop.rows_by_pn == raw["pn"].value_counts().to_dict()
    assert made.ledger == {"raw_rows": len(raw), "clean_rows": len(cleaned), "resends": len(resends)}
    found = {**vars(made.quality.figures), "timestamp_source_status": _by_source_and_status(made)}
    assert found.keys() == figures.keys()
    for name, expected in figures.items():
        assert found[name] == expected, f"{week} {name}: {found[name]} is not {expected}"
    gone = raw.merge(resends, on=["source_file", "source_row"])["pn"].value_counts().to_dict()
    counted = {pn: counts.resends for pn, counts in made.quality.counts_by_pn.items() if counts.resends}
    assert counted == gone, f"{week} re-sends by pn"


def _by_source_and_status(manifest: Manifest) -> dict[tuple[str | None, str], int]:
    assert manifest.quality
    return {
        (None if source == "none" else source, status): rows
        for source, by_status in manifest.quality.timestamps.items()
        for status, rows in by_status.items()
    }


Columns = dict[str, list[Any]]


def _of_arrow(rows: pa.Table) -> Columns:
    return {name: _cells(_plain_times(name, rows[name])) for name in rows.column_names}


def _plain_times(name: str, column: pa.ChunkedArray) -> list[Any]:
    if name == "valid_timestamp" or name.endswith("_error_time"):
        column = column.cast(pa.int64())
    elif pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    return list(column.to_pylist())


def _of_frame(frame: pd.DataFrame) -> Columns:
    columns = {}
    for name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            moments = column.dt.tz_convert("UTC").dt.tz_localize(None).astype("M8[us]").astype("int64")
            columns[name] = [None if gone else moment for moment, gone in zip(moments, column.isna(), strict=True)]
        else:
            columns[name] = _cells(column.tolist())
    return columns


def _cells(values: Sequence[Any]) -> list[Any]:
    """One spelling of what is missing, whoever wrote it; NaN in a column of the drop's own too."""
    return [None if value is pd.NA or (isinstance(value, float) and math.isnan(value)) else value for value in values]


def _assert_equal(what: str, found: Columns, expected: Columns) -> None:
    assert set(found) == set(expected), f"{what}: columns {sorted(found)} are not {sorted(expected)}"
    for name, cells in expected.items():
        assert len(found[name]) == len(cells), f"{what}: {len(found[name])} rows are not {len(cells)}"
        differing = [
            (place, mine, theirs)
            for place, (mine, theirs) in enumerate(zip(found[name], cells, strict=True))
            if mine != theirs and not _is_close(mine, theirs)
        ]
        assert not differing, f"{what}.{name} differs in {len(differing)} rows: " + "; ".join(
            f"row {p}: {m!r} is not {t!r}" for p, m, t in differing[:3]
        )


def _is_close(mine: object, theirs: object) -> bool:
    both = isinstance(mine, float) and isinstance(theirs, float)
    return both and math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-9)  # type: ignore[arg-type]
