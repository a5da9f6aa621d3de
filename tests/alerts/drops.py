"""Ordinary drops of a small fleet, and what can be wrong with one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.runtime.settings import Settings
from services.sample.drop import SampleSpec
from services.sample.upload import write_sample

ROWS = 8_000
Spoil = Callable[[pa.Table], pa.Table]


def ordinary_drops(folder: Path, weeks: tuple[str, ...]) -> None:
    """Two files a week; the sample's own."""
    write_sample(SampleSpec(ROWS, weeks, 200, 1, 2), Settings(source=str(folder), workers=2), None)
    for week in weeks:
        for path in sorted((folder / week).glob("*.parquet")):
            write(path, pq.read_table(path))


def write(path: Path, rows: pa.Table) -> None:
    """Without dictionaries of large texts: a file's size then follows its rows, re-sends or not."""
    pq.write_table(rows, path, use_dictionary=["pn", "cat", "service_tag"])


def spoil(week: Path, change: Spoil) -> None:
    """Change every file of a drop."""
    for path in sorted(week.glob("*.parquet")):
        write(path, change(pq.read_table(path)))


def half(rows: pa.Table) -> pa.Table:
    return rows.slice(0, rows.num_rows // 2)


def doubled(rows: pa.Table) -> pa.Table:
    """Twice the rows, each of another event."""
    later = [_moved(ev) for ev in rows["ev"].to_pylist()]
    return pa.concat_tables(
        [rows, rows.set_column(rows.schema.get_field_index("ev"), "ev", pa.array(later, rows.schema.field("ev").type))]
    )


def duplicate_flood(rows: pa.Table) -> pa.Table:
    """As many rows as ever, a third of them re-sends of product L5's and I13's others."""
    keep = rows.num_rows * 2 // 3
    return pa.concat_tables([rows.slice(0, keep), rows.slice(0, rows.num_rows - keep)])


def clock_faults(rows: pa.Table) -> pa.Table:
    """The clocks of every other L5 are back in 1970."""
    chosen = pc.and_(pc.equal(rows["pn"], "L5"), pa.chunked_array([pa.array(np.arange(rows.num_rows) % 10 < 9)]))
    reset = [
        _with_time(ev, "1970-01-01T00:00:00Z") if hit else ev
        for ev, hit in zip(rows["ev"].to_pylist(), chosen.to_pylist(), strict=True)
    ]
    return rows.set_column(rows.schema.get_field_index("ev"), "ev", pa.array(reset, rows.schema.field("ev").type))


def corrupt(week: Path) -> None:
    """One of the files ends in the middle."""
    path = min(week.glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-2000])


def _fields(ev: str | None) -> dict[str, object] | None:
    try:
        found = json.loads(ev or "")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _moved(ev: str | None) -> str | None:
    """The event with a mark that makes it another one."""
    fields = _fields(ev)
    return ev if fields is None else json.dumps({**fields, "Twin": "of another plant"})


def _with_time(ev: str | None, time: str) -> str | None:
    fields: Mapping[str, object] | None = _fields(ev)
    return ev if fields is None or "TimeStamp" not in fields else json.dumps({**fields, "TimeStamp": time})
