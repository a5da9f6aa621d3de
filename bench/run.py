"""`make bench`: the product beside its peers on the same drop, taking turns, several times."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import psutil

from bench.contenders import Contender, contenders
from bench.machine import machine_facts
from bench.results import Bench, render
from bench.startup import first_log_line_seconds
from bench.tasks import Plan, Task, given
from bench.trial import run_trial


def main() -> None:
    """Run the rounds; write results.md and results.json after each pass, so that an end in between loses nothing."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options.folder.mkdir(parents=True, exist_ok=True)
    options.results.mkdir(parents=True, exist_ok=True)
    bench = Bench(
        facts=machine_facts(options.folder),
        members=_members(options.product.absolute(), options.threads, options.memory_gb, options.skip),
        first_line=first_log_line_seconds(options.product.absolute()),
    )
    for member in bench.members:
        print(f"{member.name:26} {member.uses if not member.missing else f'skipped: {member.missing}'}")
    print(f"first log line after {bench.first_line:.2f} s")
    for task in options.drop or [plan.make(options.folder / "drops") for plan in options.rows]:
        bench.tasks.append(task)
        for round_, member in _turns(task, bench):
            where = (task.source, task.week, task.rows)
            limit = options.memory_gb * 10**9
            bench.trials.append(run_trial(member, *where, round_, lake=options.folder / "lake", limit=limit))
            _keep(options.results, bench)
    print("\n" + render(bench))


def _members(product: Path, threads: int, memory_gb: int, skip: Sequence[str]) -> list[Contender]:
    everyone = contenders(product, threads, memory_gb)
    return [member for member in everyone if not any(part.lower() in member.name.lower() for part in skip)]


def _turns(task: Task, bench: Bench) -> Iterator[tuple[int, Contender]]:
    """Round and contender, each round beginning with another one; who failed or has had its rounds is not asked."""
    able = [member for member in bench.members if not member.missing]
    for round_ in range(task.rounds):
        print(f"{task.rows:,} rows, round {round_ + 1} of {task.rounds}", flush=True)
        start = round_ % len(able)
        for member in able[start:] + able[:start]:
            if member.rounds is not None and round_ >= member.rounds:
                continue
            if all(trial.good for trial in bench.trials if trial.contender == member.name):
                yield round_, member


def _keep(folder: Path, bench: Bench) -> None:
    (folder / "results.md").write_text(render(bench))
    raw = {
        "machine": bench.facts,
        "contenders": {member.name: member.missing or member.uses for member in bench.members},
        "first_log_line_seconds": bench.first_line,
        "drops": [{**task._asdict(), "source": Path(task.source).name} for task in bench.tasks],
        "trials": [
            {**asdict(trial), "stages": {name: stage._asdict() for name, stage in trial.stages.items()}}
            for trial in bench.trials
        ],
    }
    (folder / "results.json").write_text(json.dumps(raw, indent=1) + "\n")


def _memory_gb() -> int:
    """Three quarters of what is free: a contender that needs more is to fail by itself, not to take others with it."""
    return max(1, min(20, psutil.virtual_memory().available * 3 // 4 // 10**9))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    sizes = [Plan.of("4000000x3")]  # a quarter of an hour on two cores; 1000000x3 4000000x3 12000000x1 take an hour
    option = parser.add_argument
    option("--rows", type=Plan.of, nargs="+", default=sizes, metavar="ROWS[xROUNDS]", help="sizes of the made drops")
    option("--drop", type=given, nargs="+", metavar="FOLDER[:ROUNDS]", help="drops to take instead")
    option("--skip", nargs="+", default=[], metavar="NAME", help="contenders to leave out, by a part of the name")
    option("--threads", type=int, default=len(os.sched_getaffinity(0)), help="for each contender")
    option("--memory-gb", type=int, default=_memory_gb(), help="what each contender may hold; more ends it")
    option("--product", type=Path, default=Path(".venv/bin/python"), help="the Python of the product")
    option("--folder", type=Path, default=Path("build/bench"), help="for drops and lakes")
    option("--results", type=Path, default=Path("bench"), help="where results.md and results.json go")
    return parser


if __name__ == "__main__":
    main()
