"""Drops that are small on disk and large in memory, and drops of very many products: within a bound, or refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.ingest.job import MAX_PARTITIONS
from tests.bad_input.footer import Claim, write_claiming
from tests.bad_input.user import User, untouched
from tests.drops import TEN, WEEK, Chain, ev

GIB = 1024**3


# The kernel's own mark, from the program's start: rusage would count this process too, before the exec.
_MEASURED = """
import atexit, re, runpy, sys
status = re.compile(r"VmHWM:\\s+(\\d+) kB")
peak = sys.argv.pop(1)
atexit.register(lambda: open(peak, "w").write(status.search(open("/proc/self/status").read())[1]))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


class Ended(NamedTuple):
    """How a process ended, and the most memory that it had."""

    code: int
    peak: int
    err: str


def in_a_process(stage: str, chain: Chain) -> Ended:
    """A stage by the container's door: memory can only be measured of a process that does nothing else."""
    places = ["--source", str(chain.root / "source"), "--lake", str(chain.lake), "--week", WEEK, "--workers", "2"]
    peak = chain.root / "peak"
    command = [sys.executable, "-c", _MEASURED, str(peak), f"services.{stage}", *places]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    return Ended(ended.returncode, int(peak.read_text()) * 1024, ended.stderr)


def repeated(values: list[str], rows: int) -> pa.DictionaryArray:
    """So few values in turn over so many rows."""
    return pa.DictionaryArray.from_arrays(pa.array(np.arange(rows) % len(values), pa.int32()), pa.array(values))


def dictionaries(folder: Path, *, rows: int, texts: int, text_bytes: int) -> Path:
    """One row group of few large texts over and over: a megabyte or two in the file, gigabytes in memory."""
    events = [ev(TimeStamp=TEN, n=n, text=os.urandom(text_bytes // 2).hex()) for n in range(texts)]
    columns = {
        "service_tag": repeated([f"T{n}" for n in range(5_000)], rows),
        "cat": repeated(["Info", "Error"], rows),
        "ev": repeated(events, rows),
    }
    path = folder / "dictionaries.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=rows, dictionary_pagesize_limit=16 << 20, store_schema=False)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "texts", "text_bytes"),
    [
        pytest.param(2_000_000, 1_000, 512, id="1 GB in two million rows"),
        pytest.param(10_000, 10, 100_000, id="1 GB in ten thousand rows"),
    ],
)
def test_a_row_group_that_unpacks_to_a_gigabyte(chain: Chain, rows: int, texts: int, text_bytes: int) -> None:
    folder = chain.root / "source" / WEEK
    folder.mkdir(parents=True)
    path = dictionaries(folder, rows=rows, texts=texts, text_bytes=text_bytes)
    assert path.stat().st_size < 8 << 20
    assert pq.read_metadata(path).num_row_groups == 1
    for stage in ("ingest", "clean", "feature"):
        ended = in_a_process(stage, chain)
        assert ended.code == 0, ended.err
        assert ended.peak < 0.75 * GIB, f"{stage}: {ended.peak / GIB:.2f} GiB"
    assert chain.manifest("ingest").ledger["raw_rows"] == rows


def test_claims_of_gigabytes_take_no_memory(user: User, week_folder: Path) -> None:
    write_claiming(week_folder / "page.parquet", Claim(page_uncompressed=2**31 - 1))
    write_claiming(week_folder / "rows.parquet", Claim(rows=2**40, group_rows=2**40, values=2**40))
    write_claiming(week_folder / "bytes.parquet", Claim(compressed=8 * GIB, uncompressed=8 * GIB))
    with untouched(user.chain.lake):
        ended = in_a_process("ingest", user.chain)
    assert ended.code == 3, ended.err
    assert ended.peak < 0.4 * GIB, f"{ended.peak / GIB:.2f} GiB"


def products(count: int, rows_each: int) -> pa.Table:
    rows = count * rows_each
    return pa.table(
        {
            "service_tag": repeated([f"T{n}" for n in range(700)], rows),
            "cat": repeated(["Info", "Error"], rows),
            "ev": pa.array([ev(TimeStamp=TEN, n=n) for n in range(rows)]),
            "pn": repeated([f"P{n:04}" for n in range(count)], rows),
        }
    )


@pytest.mark.slow
def test_two_thousand_products_stay_within_memory(chain: Chain) -> None:
    chain.drop({"many.parquet": products(MAX_PARTITIONS, 5)})
    for stage in ("ingest", "clean", "feature"):
        ended = in_a_process(stage, chain)
        assert ended.code == 0, ended.err
        assert ended.peak < GIB, f"{stage}: {ended.peak / GIB:.2f} GiB"
    rows = [part.num_rows for part in chain.partitions("clean").values()]
    assert rows == [5] * MAX_PARTITIONS


def test_one_product_more_is_refused_with_the_largest_named(user: User) -> None:
    few = products(MAX_PARTITIONS + 1, 1)
    user.chain.drop({"good.parquet": pa.concat_tables([few, few.slice(7, 1), few.slice(7, 1), few.slice(3, 1)])})
    with untouched(user.chain.lake):
        seen = user.ingest()
    seen.failed(3, WEEK, "column pn has 2,001 values, at most 2,000 are products", "Ask the sender what pn holds now")
    assert "P0007 (3 rows), P0003 (2 rows)" in seen.sentence
