"""Writes a drop, file by file in as many processes as there are workers, and its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import starmap
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.sample.answers import ANSWER_SCHEMA, file_name
from services.sample.part import SOURCE_SCHEMA, part
from services.sample.plan import Plan, plan
from services.sample.rules import Mix

# About 20 MB of JSON: a file is made in such runs of rows, which are its row groups.
_ROWS_PER_PART = 65_536

_YEARS = range(2019, 2096)


@dataclass(frozen=True)
class SampleSpec:
    """What decides a drop to the last byte."""

    rows: int
    """Of each week."""

    weeks: tuple[str, ...]
    """Names of the drops, YYYY-MM-DD, ascending."""

    devices: int
    """Notebooks in the fleet, the same in every week."""

    seed: int
    files: int
    """Of each week."""

    mix: Mix = "field"
    """How often each fault is planted: as in the field, or every one alike, for tests."""

    def __post_init__(self) -> None:
        """Raises ValueError, naming every fault."""
        faults = [
            *(f"{name} is {value}, below {least}" for name, value, least in self._bounds() if value < least),
            *(f"week {week!r} is not {fault}" for week in self.weeks if (fault := _week_fault(week))),
        ]
        if list(self.weeks) != sorted(set(self.weeks)):
            faults.append("the weeks are not in ascending order, each once")
        if faults:
            raise ValueError(f"no sample can be made: {'; '.join(faults)}")

    def _bounds(self) -> tuple[tuple[str, int, int], ...]:
        return (
            ("rows", self.rows, 0),
            ("devices", self.devices, 1),
            ("files", self.files, 1),
            ("seed", self.seed, 0),
        )


def _silent(week: str, rows_done: int) -> None:
    """Reports nothing."""


def write_drop(
    spec: SampleSpec,
    source: Path,
    answers: Path | None,
    workers: int,
    progress: Callable[[str, int], None] = _silent,
) -> list[Path]:
    """Writes <source>/<week>/part-000.parquet …, and <answers>/<week>.parquet if asked; returns the former.

    The same spec gives the same bytes, whatever the workers. `progress` gets the week and its rows done so far. A file
    that is there is replaced; raises FileExistsError where a drop holds a Parquet file that is not of this sample,
    which the answers would not know of.
    """
    for week in spec.weeks:
        _require_own(spec, source / week)
        (source / week).mkdir(parents=True, exist_ok=True)
    if answers:
        answers.mkdir(parents=True, exist_ok=True)
    jobs = [(spec, week, file, source, answers) for week in spec.weeks for file in range(spec.files)]
    if workers <= 1:
        return _collect(spec, answers, starmap(_write_file, jobs), progress)
    # Spawned, as a fork would copy locks that Arrow's threads may hold.
    with ProcessPoolExecutor(min(workers, len(jobs) or 1), mp_context=get_context("spawn")) as pool:
        return _collect(spec, answers, pool.map(_write_file, *zip(*jobs, strict=True)), progress)


def _collect(
    spec: SampleSpec, answers: Path | None, written: Iterator[Path], progress: Callable[[str, int], None]
) -> list[Path]:
    """Follows the files in their order; a week's answers are put together once its last file is there."""
    paths = []
    for week in spec.weeks:
        made = plan(week, spec.rows, spec.files, spec.devices, spec.seed, spec.mix)
        done = 0
        for file in range(spec.files):
            paths.append(next(written))
            done += made.layout.rows_of(file)
            progress(week, done)
        if answers:
            _join_answers(
                answers / f"{week}.parquet",
                [_answers_part(answers, week, file) for file in range(spec.files)],
            )
    return paths


def _write_file(spec: SampleSpec, week: str, file: int, source: Path, answers: Path | None) -> Path:
    made = plan(week, spec.rows, spec.files, spec.devices, spec.seed, spec.mix)
    path = source / week / file_name(file, spec.files)
    temporary = path.with_name(f"_{path.name}")
    with pq.ParquetWriter(temporary, SOURCE_SCHEMA, compression="snappy") as writer:
        _write_parts(made, file, writer, answers and _answers_part(answers, week, file))
    temporary.replace(path)
    return path


def _write_parts(made: Plan, file: int, writer: pq.ParquetWriter, answers: Path | None) -> None:
    rows = made.layout.rows_of(file)
    parts = (part(made, file, start, min(start + _ROWS_PER_PART, rows)) for start in range(0, rows, _ROWS_PER_PART))
    if answers is None:
        for batch, _ in parts:
            writer.write_batch(batch)
        return
    with pq.ParquetWriter(answers, ANSWER_SCHEMA, compression="zstd") as answer_writer:
        for batch, answer in parts:
            writer.write_batch(batch)
            answer_writer.write_batch(answer)


def _join_answers(path: Path, parts: Iterable[Path]) -> None:
    temporary = path.with_name(f"_{path.name}")
    with pq.ParquetWriter(temporary, ANSWER_SCHEMA, compression="zstd") as writer:
        for answers in parts:
            for batch in pq.ParquetFile(answers).iter_batches(_ROWS_PER_PART):
                writer.write_table(pa.Table.from_batches([batch]))
            answers.unlink()
    temporary.replace(path)


def _answers_part(answers: Path, week: str, file: int) -> Path:
    return answers / f"_{week}-{file}.parquet"


def _require_own(spec: SampleSpec, folder: Path) -> None:
    own = {file_name(file, spec.files) for file in range(spec.files)}
    there = sorted(folder.glob("[!_.]*.parquet"))
    strangers = [path.name for path in there if path.name not in own or not _is_sample(path)]
    if strangers:
        raise FileExistsError(
            f"{folder} holds {strangers[0]}{' and more' * (len(strangers) > 1)}, which is not of this sample:"
            " remove it, or choose another folder"
        )


def _is_sample(path: Path) -> bool:
    """Whether a file has exactly the columns of a sample, in their order."""
    try:
        return bool(pq.read_schema(path).equals(SOURCE_SCHEMA))
    except (OSError, pa.ArrowException):
        return False


def _week_fault(week: str) -> str | None:
    """What the week is not, if anything. The years leave room for faulty clocks on both sides of the window."""
    try:
        day = date.fromisoformat(week)
    except ValueError:
        return "a calendar date YYYY-MM-DD"
    if day.isoformat() != week:
        return "a calendar date YYYY-MM-DD"
    return None if day.year in _YEARS else f"from {_YEARS[0]} to {_YEARS[-1]}"
