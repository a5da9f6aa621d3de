"""Published weeks made of numbers: what judgement, metrics and reports are fed in tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.contracts.manifest import Counts, Drop, Figures, Quality, UnusableTime
from services.judgement.accepted import Accepted
from services.judgement.week import WeekFacts

ROWS = 100_000


def counts(rows: int = ROWS, **shares: float) -> Counts:
    """Rows with an ordinary week's ratios, or those given as shares of the raw rows."""
    ordinary = {"resends": 0.07, "invalid_timestamp": 0.017, "missing_timestamp": 0.001, "missing_event_id": 0.03}
    ordinary |= {"ev_unparsable": 0.001, "errors": 0.045, "event_id_conflicts": 0.0005}
    parts = {name: round(rows * share) for name, share in {**ordinary, **shares}.items()}
    clean = rows - parts["resends"]
    return Counts(raw_rows=rows, clean_rows=clean, valid_timestamp=clean - parts["missing_timestamp"], **parts)


def facts(
    week: str,
    by_pn: Mapping[str, Counts] | None = None,
    by_file: Mapping[str, Counts] | None = None,
    *,
    raw_bytes: int | None = None,
    quarantined: Mapping[str, int] | None = None,
    skipped: Mapping[str, str] | None = None,
    unusable: tuple[UnusableTime, ...] = (),
    accepted: Accepted | None = None,
) -> WeekFacts:
    """A week of these products and files; one of each with ordinary ratios unless said otherwise."""
    pns = dict(by_pn or {"I13": counts()})
    total = sum(pns.values(), Counts())
    files = dict(by_file or {"part-000.parquet": total})
    refused = {"bad_utf8": 0, "no_service_tag": 0, "bad_pn": 0, **(quarantined or {})}
    drop = Drop(
        raw_bytes=total.raw_rows * 100 if raw_bytes is None else raw_bytes,
        raw_bytes_previous=None,
        rows_by_file={name: part.raw_rows for name, part in files.items()},
        rows_by_pn={name: part.raw_rows for name, part in pns.items()},
        quarantined=refused,
        unusable_eventdates=0,
        skipped_files=dict(skipped or {}),
        columns={},
    )
    quality = Quality(
        counts=total,
        figures=Figures.of(total),
        counts_by_pn=pns,
        figures_by_pn={pn: Figures.of(part) for pn, part in pns.items()},
        counts_by_file=files,
        timestamps={
            "none": {"missing": total.missing_timestamp},
            "ev.TimeStamp": {"ok": total.raw_rows - total.missing_timestamp - total.invalid_timestamp},
            "ts": {"fallback": total.invalid_timestamp},
        },
        unusable_times=unusable,
        ev_statuses={"ok": total.raw_rows - total.ev_unparsable, "not_json": total.ev_unparsable},
    )
    return WeekFacts(week, drop, total.raw_rows + sum(refused.values()), quality, accepted)


def season(weeks: int, **how: Any) -> list[WeekFacts]:
    """Ordinary weeks, oldest first, up to 2024-05-10."""
    import datetime as dt

    newest = dt.date(2024, 5, 10)
    return [facts((newest - dt.timedelta(weeks=back)).isoformat(), **how) for back in reversed(range(weeks))]
