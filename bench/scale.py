"""`make bench-scale`: how time and memory grow with rows, workers and the drop's shape, and where memory is tight."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from bench.contenders import STAGES, eventlog
from bench.drop import SHAPES, Drop, Shape, make_drop
from bench.machine import machine_facts
from bench.startup import first_log_line_seconds
from bench.targets import SMALL
from bench.trial import Trial, run_trial

_LARGEST = 40_000_000
_ALLOWED_GROWTH = 1.3
_TIGHT = 1536 * 1024**2
"""Bytes that a container of a small node may hold, file cache included."""


class Pass(NamedTuple):
    """What is measured once."""

    shape: Shape
    rows: int
    workers: int
    limit: int
    """Bytes that a stage may hold, where the system has groups with the file cache included."""


class Point(NamedTuple):
    """One drop with so many workers."""

    drop: Drop
    workers: int
    limit: int
    trial: Trial


def main() -> None:
    """Measure every point once; write scale.md and scale.json after each, so that an end in between loses nothing."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options.folder.mkdir(parents=True, exist_ok=True)
    options.results.mkdir(parents=True, exist_ok=True)
    facts = machine_facts(options.folder)
    first_line = first_log_line_seconds(options.product.absolute())
    points: list[Point] = []
    for shape, rows, workers, limit in _passes(options):
        drop = make_drop(options.folder / "drops", rows, shape)
        print(f"{rows:,} rows, {shape}, {workers} workers, within {_gib(limit)}", flush=True)
        contender = eventlog(options.product.absolute(), options.kernel, workers)
        where = (drop.source, drop.week, rows)
        trial = run_trial(contender, *where, 0, lake=options.folder / "lake", limit=limit)
        points.append(Point(drop, workers, limit, trial))
        (options.results / "scale.md").write_text(_page(facts, options.kernel, first_line, points))
        (options.results / "scale.json").write_text(json.dumps(_raw(facts, first_line, points), indent=1) + "\n")
    print("\n" + _page(facts, options.kernel, first_line, points))


def _passes(options: argparse.Namespace) -> Iterator[Pass]:
    most = options.memory_gb * 10**9
    drops: list[tuple[Shape, int]] = [("balanced", rows) for rows in options.rows]
    drops += [(shape, rows) for shape in SHAPES[1:] for rows in options.shape_rows]
    yield from (Pass(shape, rows, workers, most) for shape, rows in drops for workers in options.workers)
    yield from (Pass("balanced", rows, max(options.workers), _TIGHT) for rows in options.tight_rows)


def _page(facts: dict[str, str], kernel: str, first_line: float, points: Sequence[Point]) -> str:
    lines = ["# Scale\n", "Made by `make bench-scale`; raw figures in `scale.json`. Each point is one pass.\n"]
    lines += ["| | |\n|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())]
    lines += [
        f"| kernel | {kernel} |",
        f"| start of `python -m services.clean` to its first log line | {first_line:.2f} s |",
    ]
    lines += ["", "Balanced: 14 pn, 8 files. Skewed: one pn has 80 % of the rows. Hundreds: 300 pn. Many: 2,000 pn."]
    lines += ["Scattered: 2,000 files."]
    lines += ["Within: what a stage may hold, its file cache included; the peak is without.\n"]
    heads = ["shape", "rows", "workers", "within", *(f"{stage}, s" for stage in STAGES), "all, s", "million rows/s"]
    heads += ["CPU, s", "peak, MiB", "kept rows"]
    lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *(_row(point) for point in points), ""]
    lines += [_memory_target(points, workers) for workers in sorted({point.workers for point in points})]
    return "\n".join(lines) + "\n"


def _row(point: Point) -> str:
    drop, workers, limit, trial = point
    walls = [f"{trial.stages[stage].wall_seconds:.1f}" if stage in trial.stages else "" for stage in STAGES]
    kept = "as planted" if trial.kept_rows == drop.kept_rows else f"{trial.kept_rows} instead of {drop.kept_rows:,}"
    cells = [drop.shape, f"{drop.rows:,}", str(workers), _gib(limit), *walls, f"{trial.wall_seconds:.1f}"]
    cells += [f"{drop.rows / trial.wall_seconds / 1e6:.2f}", f"{trial.cpu_seconds:.1f}"]
    cells += [f"{trial.peak_bytes / 2**20:,.0f}", trial.fault or kept]
    return f"| {' | '.join(cells)} |"


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _memory_target(points: Sequence[Point], workers: int) -> str:
    """Memory at the largest size against that at 4 million rows."""
    peaks = {
        point.drop.rows: point.trial.peak_bytes
        for point in points
        if (point.workers, point.drop.shape) == (workers, "balanced") and point.limit != _TIGHT and point.trial.good
    }
    name = f"- 40 million rows against 4 million, memory, {workers} workers (at most {_ALLOWED_GROWTH}): "
    if SMALL not in peaks or _LARGEST not in peaks:
        return name + "not measured"
    growth = peaks[_LARGEST] / peaks[SMALL]
    return name + f"{growth:.2f}, {'met' if growth <= _ALLOWED_GROWTH else 'not met'}"


def _raw(facts: dict[str, str], first_line: float, points: Sequence[Point]) -> dict[str, object]:
    return {
        "machine": facts,
        "first_log_line_seconds": first_line,
        "points": [
            {
                "drop": {**asdict(point.drop), "source": Path(point.drop.source).name},
                "workers": point.workers,
                "limit_bytes": point.limit,
                "stages": {name: stage._asdict() for name, stage in point.trial.stages.items()},
                "kept_rows": point.trial.kept_rows,
            }
            for point in points
        ],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    sizes = [1_000_000, SMALL, 12_000_000, _LARGEST]
    option = parser.add_argument
    option("--rows", type=int, nargs="+", default=sizes, help="of the balanced drops")
    option("--shape-rows", type=int, nargs="*", default=[SMALL], help="of the drops of other shapes")
    option("--tight-rows", type=int, nargs="*", default=[12_000_000], help=f"within {_gib(_TIGHT)}, all workers")
    option("--workers", type=int, nargs="+", default=[1, 2])
    option("--kernel", choices=["native", "python"], default="native")
    option("--memory-gb", type=int, default=20, help="what a stage may hold")
    option("--product", type=Path, default=Path(".venv/bin/python"), help="the Python of the product")
    option("--folder", type=Path, default=Path("build/bench"), help="for drops and lakes")
    option("--results", type=Path, default=Path("bench"), help="where scale.md and scale.json go")
    return parser


if __name__ == "__main__":
    main()
