"""A hundred thousand rows of the sample's nastiest mix against the reference, to the last row."""

from __future__ import annotations

import pyarrow.parquet as pq

from services.sample.drop import SampleSpec, write_drop
from tests.drops import NEXT_WEEK, WEEK, Chain, assert_follows_reference

WEEKS = (WEEK, NEXT_WEEK)


def test_a_hundred_thousand_rows_come_out_as_the_reference_has_them(chain: Chain) -> None:
    spec = SampleSpec(rows=50_000, weeks=WEEKS, devices=1_500, seed=7, files=3, mix="even")
    write_drop(spec, chain.root / "source", None, workers=2)
    chain.run(*WEEKS, workers=2)
    drops = {
        week: {path.name: pq.read_table(path) for path in sorted((chain.root / "source" / week).iterdir())}
        for week in WEEKS
    }
    assert sum(len(content) for files in drops.values() for content in files.values()) == 100_000
    assert_follows_reference(chain, drops)
