"""The results of a run as Markdown: who took what, and which targets are met."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.contenders import NATIVE, STAGES, Contender
from bench.targets import Judged, good_trials, judge
from bench.tasks import Task
from bench.trial import Trial


@dataclass(frozen=True)
class Bench:
    """A run so far."""

    facts: dict[str, str]
    members: list[Contender]
    first_line: float
    """Seconds from the start of a container's door to its first log line."""
    tasks: list[Task] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)


_HOW = """
Ratios matter, not seconds. In every round the contenders take turns on the same drop; each stage is a process of its
own, measured whole, from its start to its end. Wall and CPU time are medians over the rounds, memory is the largest
peak of all processes of a stage together, less the file cache. Before each stage everything written is synced, and the
drop is in the file cache. `eventlog` sorts, audits, keeps the ledger and flushes its files to disk; the peers do not.

A peer counts if it keeps exactly as many rows as the contract says; `eventlog` itself is held to the same number, which
the maker of the drop worked out on its own (for a drop from elsewhere it is what `eventlog` keeps). The made drop is
plain (`bench/drop.py`): ISO times, so that every peer can keep the same rows. × is against `eventlog` with the native
kernel. PySpark starts its Java machine once a stage. Polars takes a shortcut (`bench/peers/polars_lazy.py`).
"""


def render(bench: Bench) -> str:
    """The whole page."""
    parts = ["# Bench\n", "Made by `make bench`; raw figures in `results.json`.\n", _HOW.strip() + "\n"]
    parts += ["## Machine\n", "| | |\n|---|---|", *(f"| {name} | {value} |" for name, value in bench.facts.items())]
    parts += ["", "## Contenders\n", "| | uses |\n|---|---|"]
    parts += [f"| {m.name} | {m.uses if not m.missing else f'skipped: {m.missing}'} |" for m in bench.members]
    parts += ["", "## Targets\n", "| target | | at most | measured | |\n|---|---|---|---|---|"]
    parts += [_target_row(target) for target in judge(bench.trials, bench.first_line)]
    for task in bench.tasks:
        parts += ["", _task_part(task, bench)]
    return "\n".join(parts) + "\n"


def _target_row(target: Judged) -> str:
    figure = "" if target.figure is None else f"{target.figure.value:.3g} {target.unit}"
    return f"| {target.name} | {target.contender} | {target.limit:.2g} {target.unit} | {figure} | {target.verdict} |"


def _task_part(task: Task, bench: Bench) -> str:
    ours = good_trials(bench.trials, NATIVE, task.rows)
    expected = task.kept_rows if task.kept_rows is not None or not ours else ours[0].kept_rows
    heads = ["", "rounds", *(f"{stage}, s" for stage in STAGES), "all, s", "clean ×", "all ×"]
    heads += ["CPU, s", "peak, MiB", "kept rows", "counts"]
    lines = [
        f"## {task.rows:,} rows ({task.bytes / 1e6:,.0f} MB), {expected or 0:,} to be kept\n",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
    ]
    base = _walls(ours)
    for member in bench.members:
        every = [trial for trial in bench.trials if trial.contender == member.name]
        own = [trial for trial in every if trial.rows == task.rows]
        if own:
            lines.append(_row(member.name, own, base, expected))
        elif every and every[-1].fault:
            lines.append(f"| {member.name} | 0 {'| ' * 9}| not tried: failed before |")
    return "\n".join(lines)


def _walls(good: Sequence[Trial]) -> dict[str, float]:
    """Median wall time of each stage and of `all`, in seconds."""
    if not good:
        return {}
    stages = {stage: statistics.median(trial.stages[stage].wall_seconds for trial in good) for stage in STAGES}
    return {**stages, "all": statistics.median(trial.wall_seconds for trial in good)}


def _row(name: str, own: Sequence[Trial], base: Mapping[str, float], expected: int | None) -> str:
    good = [trial for trial in own if trial.good]
    if not good:
        return f"| {name} | 0 | | | | | | | | {max(t.peak_bytes for t in own) / 2**20:,.0f} | | no: {own[-1].fault} |"
    walls = _walls(good)
    kept = {trial.kept_rows for trial in good}
    cells = [name, str(len(good)), *(f"{seconds:.1f}" for seconds in walls.values())]
    cells += [f"{walls[what] / base[what]:.2f}" if base else "" for what in ("clean", "all")]
    cells += [f"{statistics.median(trial.cpu_seconds for trial in good):.1f}"]
    cells += [f"{max(trial.peak_bytes for trial in good) / 2**20:,.0f}"]
    cells += [" / ".join(f"{rows:,}" for rows in sorted(rows or 0 for rows in kept))]
    cells += ["yes" if kept == {expected} else "no: keeps other rows"]
    return f"| {' | '.join(cells)} |"
