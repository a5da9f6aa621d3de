"""Small drops with canaries in every place that no log may show, and what a local run makes of them."""

from __future__ import annotations

from pathlib import Path

from tests.drops import Chain, ev, row, table

CANARY = "CANARY"
"""In service tags, products' own columns and texts of events; pn is no secret."""


def drop(chain: Chain, *weeks: str, rows: int = 300) -> Chain:
    """Write weeks with re-sends, clock faults, broken JSON and rows to refuse."""
    for week in weeks:
        chain.drop({f"part-{part}.parquet": _file(week, part, rows) for part in range(2)}, week)
    return chain


def _file(week: str, part: int, rows: int) -> object:
    return table(*(_row(week, part, n) for n in range(rows)))


def _row(week: str, part: int, n: int) -> dict[str, object]:
    sent = n - 20 if n % 13 == 5 else n
    year = "1970" if n % 31 == 7 else week[:4]
    moment = f"{year}{week[4:8]}08T{sent % 24:02}:{sent // 24 % 60:02}:{part:02}Z"
    text = ev(TimeStamp=moment, EventId=sent % 7, LogTime=n, Text=f"{CANARY}TEXT{sent}")
    return row(
        None if n % 101 == 3 else f"{CANARY}TAG{sent % 37:02}",
        pn=("I13", "A7", None)[sent % 3],
        cat=("Error", "Info", "critical", "Warning", "Info", "Info", "Info")[sent % 7],
        ev=f"{{{CANARY}BROKEN" if n % 53 == 11 else text,
        ts=f"{week[:8]}09 10:00:00",
    )


def corrupt(chain: Chain, week: str) -> None:
    """A week with a good file and one that is none."""
    drop(chain, week)
    (chain.root / "source" / week / "broken.parquet").write_bytes(f"PAR1{CANARY}BYTES".encode())


def sample(root: Path, week: str, rows: int = 400_000) -> Chain:
    """A week that keeps a stage busy for half a minute on a sliver of a core: Argo notices a step some ten seconds late."""
    from services.sample.drop import SampleSpec, write_drop

    chain = Chain(root)
    write_drop(SampleSpec(rows, (week,), 500, 1, 4), root / "source", None, 2, lambda *_: None)
    return chain
