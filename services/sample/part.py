"""A run of rows of one source file, with their answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from services.sample.answers import Identity, answer_batch
from services.sample.draft import SOURCES, Draft
from services.sample.draws import Ints
from services.sample.events import Events, events, seconds_text
from services.sample.fleet import FIRMWARES, PRODUCTS, SYSTEMS, Fleet, fleet
from services.sample.layout import places
from services.sample.messages import FIRST_ERROR_LEVEL
from services.sample.plan import Plan, kinds_of, shown_in
from services.sample.planting import Special, drafts_of, with_drafts
from services.sample.resends import lost_pn, resends
from services.sample.rules import LOST_PN

SOURCE_SCHEMA = pa.schema(
    [
        ("service_tag", pa.string()), ("pn", pa.string()), ("cat", pa.string()), ("ev", pa.string()),
        ("ts", pa.string()), ("eventdate", pa.int64()), ("os_version", pa.string()), ("bios", pa.string()),
    ]
)  # fmt: skip


def part(plan: Plan, file: int, start: int, stop: int) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Rows [start, stop) of a file: source rows, and their answers."""
    spots = places(plan.layout, file, start, stop)
    shown = shown_in(plan.layout, spots)
    kind = kinds_of(plan, spots, shown.ids)
    machines = fleet(plan.devices, plan.seed)
    made = events(plan.week, machines, shown)
    rows = np.flatnonzero(kind)
    special = Special(rows, kind[rows], (kind[rows] == LOST_PN) & lost_pn(shown.ids[rows], shown.role[rows]))
    drafts = list(drafts_of(plan.week, machines, made, shown, special))

    source = with_drafts(_source_columns(machines, made), rows, [_cells(draft) for draft in drafts])
    answers = with_drafts(_ordinary_answers(machines, made), rows, [asdict(draft.answer) for draft in drafts])
    identity = Identity(plan.week, plan.layout.files, np.full_like(kind, file), np.arange(start, stop, dtype=np.int64))
    merged = resends(plan.layout, spots, shown, kind, made.stamp)
    return (
        pa.RecordBatch.from_arrays([source[field.name] for field in SOURCE_SCHEMA], schema=SOURCE_SCHEMA),
        answer_batch(identity, kind, answers, merged),
    )


def _cells(draft: Draft) -> dict[str, Any]:
    cells = {field.name: getattr(draft, field.name) for field in SOURCE_SCHEMA if field.name != "ev"}
    return {**cells, "ev": draft.ev()}


def _source_columns(machines: Fleet, made: Events) -> dict[str, pa.Array]:
    return {
        "service_tag": _named(machines.tags, made.device),
        "pn": _named(list(PRODUCTS), machines.product[made.device]),
        "cat": made.cat,
        "ev": made.ev,
        "ts": seconds_text(made.ts),
        "eventdate": pa.array(made.eventdate * 1_000),
        "os_version": _named(SYSTEMS, machines.system[made.device]),
        "bios": _named(FIRMWARES, machines.firmware[made.device]),
    }


def _ordinary_answers(machines: Fleet, made: Events) -> dict[str, pa.Array]:
    rows = len(made.device)
    return {
        "pn": _named(list(PRODUCTS), machines.product[made.device]),
        "service_tag": _named(machines.tags, made.device),
        "is_error": pa.array(made.level >= FIRST_ERROR_LEVEL),
        "valid_timestamp": pa.array(made.stamp),
        "timestamp_source": pa.repeat(SOURCES["TimeStamp"], rows),
        "timestamp_status": pa.repeat("ok", rows),
        "ev_status": pa.repeat("ok", rows),
        "reason": pa.nulls(rows, pa.string()),
    }


def _named(names: Iterable[str], index: Ints) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(index))
