"""docs/cost.md: what a month costs in the cloud and on one machine. `python -m bench.cost > docs/cost.md`.

Prices come from `services/control/report/prices.toml`, quantities from what was measured here; nothing else goes in.
"""

import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

PRICES = tomllib.loads((Path(__file__).parents[1] / "services/control/report/prices.toml").read_text())
CLOUD: dict[str, Any]
MACHINE: dict[str, Any]
CLOUD, MACHINE = PRICES["place"]
PLATFORM: dict[str, Any] = PRICES["platform"]

WEEKS_A_MONTH = 52 / 12
HOURS_A_MONTH = 730

# Measured: wall time of the whole chain and memory by `make bench-scale`, bytes a row with the sample's drops.
CHAIN_SECONDS_12M = 51
CHAIN_CORES = 2
PEAK_MIB = 861
BYTES_A_ROW = {"drop": 145, "raw": 80, "clean": 88}

# What is kept and asked; change it to yours.
WEEKS_KEPT = 52
PODS_A_WEEK = 6
POD_START_SECONDS = 60
QUERIES_A_WEEK = 20
WEEKS_A_QUERY = 13
MILLIONS = (12, 120, 1_200)


class Month(NamedTuple):
    """USD a month, by what it is for."""

    platform: float
    compute: float
    storage: float
    queries: float

    @property
    def total(self) -> float:
        return sum(self)


def chain_hours(millions: float) -> float:
    """Hours of a week's run on two cores: linear in rows, as between 1 and 12 million."""
    return CHAIN_SECONDS_12M * millions / 12 / 3600


def kept_gb(millions: float) -> float:
    return WEEKS_KEPT * millions * 1e6 * sum(BYTES_A_ROW.values()) / 1e9


def scanned_tb(millions: float) -> float:
    """Terabytes that a month's queries read: each of them all columns of the newest clean weeks."""
    return WEEKS_A_MONTH * QUERIES_A_WEEK * WEEKS_A_QUERY * millions * 1e6 * BYTES_A_ROW["clean"] / 1e12


def cloud(millions: float, *, spot: bool, cluster: bool) -> Month:
    node = PLATFORM["node_hour"] * (PLATFORM["spot_share"] if spot else 1)
    hours = chain_hours(millions) + PODS_A_WEEK * POD_START_SECONDS / 3600
    return Month(
        PLATFORM["cluster_hour"] * HOURS_A_MONTH if cluster else 0.0,
        node * hours * WEEKS_A_MONTH,
        kept_gb(millions) * CLOUD["storage_gb_month"],
        scanned_tb(millions) * PLATFORM["athena_per_tb"],
    )


def machine(millions: float, *, server: bool) -> Month:
    """A machine of one's own costs what it costs, idle or not; DuckDB on it asks for nothing more."""
    disks = kept_gb(millions) * MACHINE["storage_gb_month"] if server else 0.0
    return Month(PLATFORM["server_month" if server else "small_machine_month"], 0.0, disks, 0.0)


def crossing(left: Any, right: Any) -> float | None:
    """Million rows a week from which the left, cheaper before, costs more than the right; None: it never does."""
    low, high = 0.1, 10_000.0
    if left(low) > right(low) or left(high) < right(high):
        return None
    while high - low > 0.1:
        middle = (low + high) / 2
        low, high = (middle, high) if left(middle) < right(middle) else (low, middle)
    return high


WAYS: dict[str, Any] = {
    "S3 + Athena + EKS of its own, on demand": lambda m: cloud(m, spot=False, cluster=True),
    "the same, spot": lambda m: cloud(m, spot=True, cluster=True),
    "S3 + Athena, in an EKS that is there anyway": lambda m: cloud(m, spot=True, cluster=False),
    "a small machine": lambda m: machine(m, server=False),
    "a server": lambda m: machine(m, server=True),
}


def document() -> str:
    return f"""# Cost

Made by `python -m bench.cost` from the prices in
[services/control/report/prices.toml](../services/control/report/prices.toml), which `eventlog report` uses as well, and
from measured figures. Change a price there, or a quantity in [bench/cost.py](../bench/cost.py), and make it again.
No person's time is reckoned, nowhere; it is the largest item of all.

## In USD a month

{_months()}
Of which at {MILLIONS[1]} million rows a week:

{_parts(MILLIONS[1])}
## Where the lines cross

{_crossings()}
So: **compute is never the question.** A week of 12 million rows takes {CHAIN_SECONDS_12M} seconds on two cores; even
1,200 million cost about a dollar a month of them, and spot saves cents. What decides is the fixed price of a cluster
below some eighty million rows a week, and what is kept and asked above it. Three levers move more than the choice of
place: keep fewer weeks (a lifecycle rule), name columns in queries (`ev` is most of a row; Athena bills what is read),
and ask `device_features` before the events.

## What it rests on

{_table(("quantity", "value", "from"), _quantities())}
Time was measured at 12 million rows a week ([bench](../bench)); the other sizes are reckoned in proportion, as stages
stream and their memory stays. **1,200 million do not run as one drop**: the file of a product may have 5 GiB (one PUT),
some 65 million rows; that size needs daily folders or several lakes, which changes the plan and not the price. A run
then takes {chain_hours(1200):.1f} hours on two cores; stages use as many cores as they get.

Places:

- EKS: {PLATFORM["cluster_hour"]:.2f} USD an hour for the control plane; node {PLATFORM["node"]},
  {PLATFORM["node_hour"]} USD an hour, spot at {PLATFORM["spot_share"]:.0%} of it (it varies); S3 Standard
  {CLOUD["storage_gb_month"]} USD a GB-month; Athena {PLATFORM["athena_per_tb"]:.0f} USD a TB. Traffic within the region
  is free, requests are cents.
- Small machine: {PLATFORM["small_machine"]}. It holds a year of 120 million rows
  a week.
- Server: {PLATFORM["server"]}.

What a run really used, CPU seconds, peak memory, bytes read and written, and its price at both places, is in
`eventlog report` of every week.
"""


def _months() -> str:
    head = ("", *(f"{m:,} million rows a week" for m in MILLIONS))
    rows = []
    for name, way in WAYS.items():
        cells = [f"{way(m).total:,.0f}" for m in MILLIONS]
        if name == "a small machine":
            cells[-1] = "too small"
        rows.append((name, *cells))
    return _table(head, rows)


def _parts(millions: int) -> str:
    rows = [(name, *(f"{part:,.2f}" for part in way(millions))) for name, way in WAYS.items()]
    return _table(("", "platform", "compute", "storage", "queries"), rows)


def _crossings() -> str:
    said = []
    names = list(WAYS)
    for left, right in ((0, 4), (2, 3), (2, 4)):
        at = crossing(lambda m, w=left: WAYS[names[w]](m).total, lambda m, w=right: WAYS[names[w]](m).total)
        if at:
            said.append(f"- {names[left][0].upper()}{names[left][1:]} is cheaper than {names[right]} up to "
                        f"{at:,.0f} million rows a week, dearer beyond.")  # fmt: skip
    said.append("- A small machine is cheaper than an EKS of its own at every size that it can hold.")
    return "\n".join(said) + "\n"


def _quantities() -> list[tuple[str, str, str]]:
    sizes = ", ".join(f"{name} {size}" for name, size in BYTES_A_ROW.items())
    return [
        ("the chain at 12 million rows", f"{CHAIN_SECONDS_12M} s on {CHAIN_CORES} cores", "measured, bench"),
        ("peak memory of a stage", f"{PEAK_MIB} MiB", "measured; the same at 4 and 12 million rows"),
        ("bytes a row", sizes, "measured on the sample"),
        ("kept", f"{WEEKS_KEPT} weeks of drops, raw and clean", "chosen"),
        ("pods a week", f"{PODS_A_WEEK}, {POD_START_SECONDS} s of a node for the start of each", "chosen"),
        (
            "queries",
            f"{QUERIES_A_WEEK} a week, each over all columns of {WEEKS_A_QUERY} clean weeks",
            "chosen, generous",
        ),
    ]


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, ("---",) + ("---:",) * (len(head) - 1) if head[0] == "" else ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(document())
