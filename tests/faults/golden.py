"""What the zones must hold for a drop, by the independent reference; nothing here knows the product."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import product
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests import reference
from tests.faults.drops import VERSIONS, Version, drop, table

Rows = tuple[tuple[tuple[str, str], ...], ...]
"""Rows as sorted tuples of (column, text of the value): a multiset that compares and hashes."""
EMPTY: Rows = ()

_FEATURES, _ERRORS = "feature/event_log/device_features.parquet", "feature/event_log/error_events.parquet"


@cache
def golden(drops: tuple[tuple[str, Version], ...]) -> dict[str, Rows]:
    """Rows by key for these weeks' drops; a key that is not here has no rows."""
    zones: dict[str, Rows] = {}
    for week, version in drops:
        zones.update(_of_week(week, version))
    features, errors = reference.feature({week: _clean(week, version)[0] for week, version in drops})
    return {**zones, _FEATURES: _rows_of_frame(features), _ERRORS: _rows_of_frame(errors)}


def legal_rows(key: str, weeks: tuple[str, ...]) -> frozenset[Rows]:
    """Every content that an object may have while the drops of these weeks change among all versions."""
    week = next((part.removeprefix("week=") for part in key.split("/") if part.startswith("week=")), None)
    return _legal_rows(key, (week,) if week else weeks)


@cache
def _legal_rows(key: str, weeks: tuple[str, ...]) -> frozenset[Rows]:
    states: set[tuple[tuple[str, Version], ...]] = set()
    for versions in product((None, *VERSIONS), repeat=len(weeks)):
        states.add(tuple((w, v) for w, v in zip(weeks, versions, strict=True) if v is not None))
    return frozenset(golden(state).get(key, EMPTY) for state in states if state)


def rows_of(content: bytes) -> Rows:
    """The rows of a Parquet file, which must be one, page checksums included."""
    found = pq.read_table(io.BytesIO(content), page_checksum_verification=True)
    return _rows_of_table(found)


def conserves(zones: Mapping[str, bytes], week: str, version: Version) -> None:
    """Every source row is in raw or quarantine once, every raw row in clean or among the dropped re-sends once."""
    source = sorted((name, row) for name in drop(version) for row in range(table(version, name).num_rows))
    raw = _identities(zones, f"raw/event_log/week={week}/")
    assert sorted(raw + _identities(zones, f"quarantine/event_log/week={week}/")) == source
    dropped = list(_clean(week, version)[1][["source_file", "source_row"]].itertuples(index=False, name=None))
    assert sorted(_identities(zones, f"clean/event_log/week={week}/") + dropped) == sorted(raw)


def _identities(zones: Mapping[str, bytes], prefix: str) -> list[tuple[str, int]]:
    found = []
    for key, content in zones.items():
        if key.startswith(prefix):
            rows = pq.read_table(io.BytesIO(content), columns=["source_file", "source_row"]).to_pylist()
            found += [(row["source_file"], row["source_row"]) for row in rows]
    return found


@cache
def _raw(week: str, version: Version) -> tuple[pd.DataFrame, pd.DataFrame]:
    return reference.ingest({name: table(version, name) for name in drop(version)}, week)


@cache
def _clean(week: str, version: Version) -> tuple[pd.DataFrame, pd.DataFrame]:
    clean, _, resends = reference.clean(_raw(week, version)[0], week)
    return clean, resends


@cache
def _of_week(week: str, version: Version) -> dict[str, Rows]:
    raw, quarantine = _raw(week, version)
    zones = {f"quarantine/event_log/week={week}/ingest.parquet": _rows_of_frame(quarantine)}
    for zone, frame in (("raw", raw), ("clean", _clean(week, version)[0])):
        for pn, rows in frame.groupby("pn"):
            key = f"{zone}/event_log/week={week}/pn={pn}/{week}_{pn}.parquet"
            zones[key] = _rows_of_frame(rows.drop(columns="pn"))
    return zones


def _rows_of_frame(frame: pd.DataFrame) -> Rows:
    return as_rows(dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False, name=None))


def _rows_of_table(found: pa.Table) -> Rows:
    # What the reference does not have: the text and the words of a quarantined row.
    found = found.drop_columns([name for name in ("row", "detail") if name in found.column_names])
    return as_rows(found.to_pylist())


def as_rows(rows: Iterable[Mapping[str, Any]]) -> Rows:
    """Rows as dictionaries, in any order, as a multiset that compares."""
    return tuple(sorted(tuple(sorted((name, _text(value)) for name, value in row.items())) for row in rows))


def _text(value: Any) -> str:
    if value is None or pd.isna(value):
        return "null"
    if isinstance(value, float):
        return f"{value:.9g}"
    if hasattr(value, "isoformat"):
        return pd.Timestamp(value).isoformat(timespec="microseconds")
    return str(value)
