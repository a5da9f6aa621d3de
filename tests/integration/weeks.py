"""Two small weeks of drops with a bit of everything: many products, re-sends, clock faults, rows to refuse."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.drops import NEXT_WEEK, WEEK, ev, row, table

PNS = ["I13", "007", "a/b", "two words", "Größe", "100%", None]
ROWS = 3_000


def write_weeks(source: Path, weeks: tuple[str, ...] = (WEEK, NEXT_WEEK), pns: list[str | None] = PNS) -> None:
    for week in weeks:
        (source / week).mkdir(parents=True, exist_ok=True)
        for part in range(2):
            pq.write_table(drop_file(week, part, pns), source / week / f"part-{part}.parquet", row_group_size=700)


def drop_file(week: str, part: int, pns: list[str | None] = PNS) -> pa.Table:
    return table(*(_row(week, part, n, pns) for n in range(ROWS)))


def _row(week: str, part: int, n: int, pns: list[str | None]) -> dict[str, object]:
    sent = n - 40 if n % 13 == 5 else n  # a re-send of an event 40 rows before
    device, pn = f"T{sent % 97:02}", pns[sent % len(pns)]
    if n % 13 == 5 and n % 2:
        pn = None  # … that lost its product
    year = "1970" if n % 31 == 7 else week[:4]
    moment = f"{year}{week[4:8]}08T{sent % 24:02}:{sent // 24 % 60:02}:{part:02}Z"
    return row(
        None if n % 101 == 3 else device,
        pn=pn,
        cat=("Error", "Info", "critical", "Warning")[sent % 4],
        ev="{oops" if n % 53 == 11 else ev(TimeStamp=moment, EventId=sent % 7, LogTime=n, Text="x" * (sent % 300)),
        ts=f"{week[:8]}09 10:00:00",
        eventdate=1_715_162_400_000_000_000 + n,
    )
