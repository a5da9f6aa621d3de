"""Makes the rows that carry a planted case: drafts them from ordinary ones, and puts them in their places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from services.sample.draft import UNKNOWN, Answer, Draft
from services.sample.draws import Flags, Ints, Pick, draw
from services.sample.events import Events, Shown, seconds_text, week_start
from services.sample.fleet import FIRMWARES, PRODUCTS, SYSTEMS, Fleet
from services.sample.messages import FIRST_ERROR_LEVEL
from services.sample.rules import KINDS

_PNS = tuple(PRODUCTS)


class Special(NamedTuple):
    """The rows with something planted: their places, kinds (indices into KINDS), and which lost their pn by plan."""

    rows: Ints
    kind: Ints
    lost: Flags


def drafts_of(week: str, machines: Fleet, made: Events, shown: Shown, special: Special) -> Iterator[Draft]:
    index = pa.array(special.rows)
    texts = (made.cat.take(index), made.ev.take(index), seconds_text(made.ts[special.rows]))
    cells = zip(*(column.to_pylist() for column in texts), strict=True)
    seeds = draw(shown.ids[special.rows], 23).tolist()
    start = week_start(week)
    for place, (row, (cat, ev, received)) in enumerate(zip(special.rows.tolist(), cells, strict=True)):
        device = int(made.device[row])
        pn, tag = _PNS[machines.product[device]], machines.tags[device]
        draft = Draft(
            service_tag=tag,
            pn=pn,
            cat=cat,
            ts=received,
            eventdate=int(made.eventdate[row]) * 1_000,
            os_version=SYSTEMS[machines.system[device]],
            bios=FIRMWARES[machines.firmware[device]],
            fields=orjson.loads(ev),
            times=_times(made, row),
            week=start,
            others=_others(machines, device),
            answer=Answer(
                pn=UNKNOWN if special.lost[place] else pn,
                service_tag=tag,
                is_error=bool(made.level[row] >= FIRST_ERROR_LEVEL),
                valid_timestamp=int(made.stamp[row]),
            ),
        )
        _plant(draft, int(special.kind[place]), seeds[place], int(shown.role[row]))
        yield draft


def _plant(draft: Draft, kind: int, seed: int, role: int) -> None:
    side = KINDS[kind]
    if side.plant:
        side.plant(draft, Pick(seed))
    if side.group_plant:
        side.group_plant(draft, Pick(seed), role)


def _times(made: Events, row: int) -> dict[str, int]:
    return {
        "TimeStamp": int(made.stamp[row]),
        "LogTime": int(made.log[row]),
        "ts": int(made.ts[row]),
        "eventdate": int(made.eventdate[row]),
    }


def _others(machines: Fleet, device: int) -> tuple[str, ...]:
    """Three devices that are not this one; made up where the fleet is too small."""
    count = len(machines.tags)
    if count < 4:
        return tuple(f"{machines.tags[device]}{letter}" for letter in "XYZ")
    return tuple(machines.tags[(device + step) % count] for step in (1, 2, 3))


def with_drafts(columns: dict[str, pa.Array], rows: Ints, drafted: list[dict[str, Any]]) -> dict[str, pa.Array]:
    """The columns with the drafted cells at `rows`; texts pass as bytes, as some are broken on purpose."""
    count = len(next(iter(columns.values())))
    order = np.arange(count, dtype=np.int64)
    order[rows] = count + np.arange(len(rows))
    return {
        name: _replaced(column, [cells[name] for cells in drafted], pa.array(order)) for name, column in columns.items()
    }


def _replaced(column: pa.Array, values: list[Any], order: pa.Array) -> pa.Array:
    if column.type != pa.string():
        return pa.concat_arrays([column, pa.array(values, column.type)]).take(order)
    as_bytes = pa.array([value.encode() if isinstance(value, str) else value for value in values], pa.binary())
    return pa.concat_arrays([column.cast(pa.binary()), as_bytes]).take(order).view(pa.string())
