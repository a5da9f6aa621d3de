"""The answers beside a drop: for every source row what a right pipeline makes of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.sample.draws import Flags, Ints
from services.sample.resends import Resends
from services.sample.rules import KINDS, ORDINARY

ANSWER_SCHEMA = pa.schema(
    [
        ("week", pa.string()),
        ("source_file", pa.string()),
        ("source_row", pa.int64()),
        ("rule", pa.string()),
        ("planted", pa.bool_()),
        ("reason", pa.string()),
        ("pn", pa.string()),
        ("service_tag", pa.string()),
        ("valid_timestamp", pa.timestamp("us", tz="UTC")),
        ("timestamp_source", pa.string()),
        ("timestamp_status", pa.string()),
        ("ev_status", pa.string()),
        ("kept_file", pa.string()),
        ("kept_row", pa.int64()),
        ("copies", pa.int32()),
        ("is_error", pa.bool_()),
    ]
)
"""`rule` is one of RULES, `planted` whether it applies here or is nearly missed. `reason` is null but in
quarantine, and there all that follows is null. `pn` and `service_tag` as they are after trimming; `kept_*` is the row
that this one is merged into, itself where it stays; `copies` is null where it does not stay."""


class Identity(NamedTuple):
    """Which rows of which file; `files` is how many the week has."""

    week: str
    files: int
    file: Ints
    row: Ints


def file_name(file: int, files: int) -> str:
    """As many digits as the last file needs, so that the order of the bytes is that of the numbers."""
    return f"part-{file:0{max(3, len(str(files - 1)))}d}.parquet"


def answer_batch(rows: Identity, kind: Ints, outcome: dict[str, pa.Array], resends: Resends) -> pa.RecordBatch:
    """`kind` is an index into KINDS, `outcome` the columns that do not depend on other rows."""
    kept_file, kept_row, copies = rows.file.copy(), rows.row.copy(), np.ones_like(rows.row)
    kept_file[resends.rows], kept_row[resends.rows], copies[resends.rows] = (
        resends.file,
        resends.row,
        resends.copies,
    )
    dropped = (kept_file != rows.file) | (kept_row != rows.row)
    in_lake = pc.is_null(outcome["reason"])
    files = [file_name(file, rows.files) for file in range(rows.files)]
    columns = {
        **outcome,
        "week": pa.repeat(rows.week, len(dropped)),
        "source_file": _named(files, rows.file),
        "source_row": pa.array(rows.row),
        **_labels(kind, dropped),
        "valid_timestamp": outcome["valid_timestamp"].cast(pa.timestamp("us", tz="UTC")),
        "kept_file": _where(in_lake, _named(files, kept_file)),
        "kept_row": _where(in_lake, pa.array(kept_row)),
        "copies": _where(in_lake, pa.array(copies.astype(np.int32), mask=dropped)),
    }
    return pa.RecordBatch.from_arrays([columns[field.name] for field in ANSWER_SCHEMA], schema=ANSWER_SCHEMA)


def _labels(kind: Ints, dropped: Flags) -> dict[str, pa.Array]:
    """Of a group that merges, the rows that go carry the rule; the one that stays, or is looked like, is ordinary."""
    merges = np.array([side.merges for side in KINDS])[kind]
    ordinary = merges & ~dropped
    names = _named([side.label for side in KINDS], kind)
    planted = np.array([side.planted for side in KINDS])[kind] & ~ordinary
    return {"rule": pc.if_else(pa.array(ordinary), ORDINARY, names), "planted": pa.array(planted)}


def _where(condition: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(condition, values, pa.scalar(None, values.type))


def _named(names: list[str], index: Ints) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(index))
