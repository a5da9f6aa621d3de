"""Where the seconds of each stage go, by function of ours and by what runs in the end; written to profile.md.

py-spy looks at every thread a hundred times a second, into native code too. Where it may not look (it needs ptrace),
cProfile tells of a run with one worker. Threads that pyarrow starts by itself are seen by neither.
"""

import argparse
import json
import pstats
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.contenders import STAGES, Contender, eventlog
from bench.drop import make_drop
from bench.machine import machine_facts

_RATE = 100
_SHOWN = 14
_WAITING = (
    "acquire_lock",
    "Condition.wait",
    "SimpleQueue_get",
    "thread.py:81",
    "wait_result",
    "Connection._recv",
    "Popen.poll",
)
"""Frames of a thread that has nothing to do: native stacks do not tell by themselves."""


_HOW = """
Thread seconds: two busy threads make two a second. Being looked at slows a stage down, so shares matter, not seconds;
what threads of Arrow's own do is not seen.
"""


class Profile(NamedTuple):
    """What one stage's samples say; thread seconds."""

    ours: Counter[str]
    """By the innermost function of the product, with all that it calls elsewhere."""
    leaves: Counter[str]
    """By what runs in the end."""
    waiting: float


def main() -> None:
    """Profile each stage with each kernel."""
    options = _parser().parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    drop = make_drop(options.folder / "drops", options.rows)
    parts = ["# Profile\n", f"Made by `python -m bench.profile --rows {options.rows}`, {options.workers} workers.\n"]
    parts += [_HOW.strip() + "\n"]
    parts += ["| | |\n|---|---|", *(f"| {name} | {value} |" for name, value in machine_facts(options.folder).items())]
    for kernel in options.kernels:
        contender = eventlog(options.product.absolute(), kernel, options.workers)
        if contender.missing:
            parts.append(f"\n## {contender.name}\n\nskipped: {contender.missing}")
            continue
        lake = options.folder / "lake"
        shutil.rmtree(lake, ignore_errors=True)
        for stage in STAGES:
            print(f"{contender.name}: {stage}", flush=True)
            parts.append(f"\n## {contender.name}: {stage}\n")
            parts.append(_profile(contender, stage, drop.source, lake, drop.week))
            parts.append(_steps(lake, stage))
        shutil.rmtree(lake)
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "profile.md").write_text("\n".join(parts) + "\n")
    print("\n".join(parts))


def _profile(contender: Contender, stage: str, source: str, lake: Path, week: str) -> str:
    command = [*contender.command(stage, source, lake, week), "--force"]  # a try that failed may have published
    environment = dict(contender.environment)
    with tempfile.TemporaryDirectory() as folder:
        stacks, timings = f"{folder}/stacks", f"{folder}/timings"
        options = f"record --subprocesses --rate {_RATE} --format raw -o {stacks}".split()
        spy = [str(Path(sys.executable).with_name("py-spy")), *options]
        for native in (["--native"], []):  # native frames make it crash now and then, where a process ends
            look = [*spy, *native, "--", *command]
            run = subprocess.run(look, check=False, env=environment, capture_output=True, text=True)
            if run.returncode == 0 and Path(stacks).exists():
                return _tables(_read(Path(stacks).read_text().splitlines()))
        alone = [command[0], "-m", "cProfile", "-o", timings, *command[1:], "--workers", "1"]
        subprocess.run(alone, env=environment, capture_output=True, check=True)
        why = run.stderr.strip().rsplit("\n", 1)[-1] or f"exit code {run.returncode}"
        return f"py-spy could not look ({why}); cProfile, one worker:\n\n{_timed(Path(timings))}"


def _read(lines: list[str]) -> Profile:
    """Each line is a stack from the outermost frame, its parts separated by `;`, and how often it was seen."""
    ours: Counter[str] = Counter()
    leaves: Counter[str] = Counter()
    waiting = 0
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")[1:]
        if any(mark in frame for mark in _WAITING for frame in frames):
            waiting += int(count)
            continue
        own = [frame for frame in frames if "(services/" in frame]
        ours[_place(own[-1]) if own else "start, imports and end of the process"] += int(count)
        leaves[next(_named(frames), "unnamed")] += int(count)
    return Profile(ours, leaves, waiting / _RATE)


def _place(frame: str) -> str:
    """`FileWriter.close (services/lake/parquet.py:95)` without the line."""
    return re.sub(r":\d+\)$", ")", frame)


def _named(frames: list[str]) -> Iterator[str]:
    """Frames from the innermost; one without a symbol is known by its library."""
    for frame in reversed(frames):
        name = re.sub(r"^0x[0-9a-f]+ ", "", _place(frame))
        yield name if len(name) <= 110 else name[:70] + " … " + name[-36:]


def _tables(profile: Profile) -> str:
    total = sum(profile.ours.values())
    lines = [f"{total / _RATE:.1f} thread seconds at work, {profile.waiting:.1f} waiting.\n"]
    for title, counts in (("innermost function of ours", profile.ours), ("what runs in the end", profile.leaves)):
        lines += [f"| {title} | s | share |\n|---|---|---|"]
        for name, count in counts.most_common(_SHOWN):
            lines.append(f"| `{name.replace('|', chr(0x2758))}` | {count / _RATE:.2f} | {count / total:.0%} |")
        lines.append("")
    return "\n".join(lines)


def _timed(timings: Path) -> str:
    stats = pstats.Stats(str(timings)).stats  # type: ignore[attr-defined]
    slowest = sorted(stats.items(), key=lambda entry: -entry[1][2])[:_SHOWN]
    lines = ["| function | own s |\n|---|---|"]
    lines += [f"| `{name} ({Path(file).name})` | {figures[2]:.2f} |" for (file, _, name), figures in slowest]
    return "\n".join(lines) + "\n"


def _steps(lake: Path, stage: str) -> str:
    """Wall time by step, as the stage's own manifest has it."""
    manifest = next((lake / "_control" / stage).rglob("manifest.json"))
    seconds = json.loads(manifest.read_text())["run"]["seconds"]
    return "Steps of the manifest, wall: " + ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description="Where the seconds of each stage go.")
    option = parser.add_argument
    option("--rows", type=int, default=4_000_000)
    option("--workers", type=int, default=2)
    option("--kernels", nargs="+", choices=["native", "python"], default=["native", "python"])
    option("--product", type=Path, default=Path(".venv/bin/python"), help="the Python of the product")
    option("--folder", type=Path, default=Path("build/bench"), help="for drops and lakes")
    option("--results", type=Path, default=Path("bench"), help="where profile.md goes")
    return parser


if __name__ == "__main__":
    main()
