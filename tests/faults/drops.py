"""Tiny drops in a few versions: enough rows for every rule that decides where a row goes."""

from __future__ import annotations

import io
from functools import cache
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

Version = Literal["first", "changed", "late", "no rows"]
VERSIONS: tuple[Version, ...] = ("first", "changed", "late", "no rows")
WEEK, NEXT_WEEK = "2024-05-10", "2024-05-17"

_COLUMNS = ("service_tag", "pn", "cat", "ev", "ts", "eventdate")
Row = tuple[str | None, str | None, str | None, str | None, str | None, int | None]


@cache
def drop(version: Version) -> dict[str, bytes]:
    """The files of a drop by name.

    first      a (I13, I14, no pn) and b (I13, I14); a re-send over two pn, a quarantined row
    changed    a without I14 and with I15, b as it was
    late       the first drop and one more file
    no rows    one file without rows: every partition vanishes
    """
    match version:
        case "first":
            return {
                "a.parquet": _file(_rows("a", ("I13", "I14", None))),
                "b.parquet": _file(_rows("b", ("I13", "I14"))),
            }
        case "changed":
            return {
                **drop("first"),
                "a.parquet": _file(_rows("a", ("I13", "I15", None), shift=7)),
                "b.parquet": _file([]),
            }
        case "late":
            return {**drop("first"), "c.parquet": _file(_rows("c", ("I14", "I15")))}
        case "no rows":
            return {"a.parquet": _file([])}


@cache
def table(version: Version, name: str) -> pa.Table:
    """A file of a drop as the reference reads it."""
    return pq.read_table(io.BytesIO(drop(version)[name]))


def _rows(file: str, pns: tuple[str | None, ...], shift: int = 0) -> list[Row]:
    rows: list[Row] = []
    for number in range(9):
        pn = pns[number % len(pns)]
        tag = f"T{number % 4 + shift}"
        cat = ("Error", "info", "Critical", "Warning")[(number + shift) % 4]
        # The same event in every file, under whatever pn: a re-send.
        time = f"2024-05-0{number % 4 + 1}T10:00:0{number % 4}Z"
        ev = f'{{"TimeStamp":"{time}","EventId":{number % 4},"SeqNo":"{file}{number}"}}'
        rows.append((tag, pn, cat, ev, None, 1_715_000_000_000_000_000 + number))
    rows.append((" ", "I13", "Error", "{}", None, None))  # quarantine: no_service_tag
    rows.append((f"T{shift}", pns[0], "Error", "not json", "2099-01-01T00:00:00Z", None))
    return rows


def _file(rows: list[Row]) -> bytes:
    types = [pa.string()] * 5 + [pa.int64()]
    columns = [pa.array([row[i] for row in rows], type_) for i, type_ in enumerate(types)]
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(zip(_COLUMNS, columns, strict=True))), sink, write_page_checksum=True)
    return sink.getvalue()
