"""A small real lake, made by the real stages from a sample drop and a few products with awkward names."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.clean.job import clean
from services.feature.job import feature
from services.ingest.job import ingest
from services.lake.store import open_store
from services.runtime.settings import PREFIX, load_settings
from services.sample.drop import SampleSpec, write_drop

WEEKS = ("2024-05-10", "2024-05-17")
AWKWARD = ("007", "1e3", "A/B 7%", "ä=ö")
"""Names of products that readers guess a number from, or that are percent-encoded in the path."""


@pytest.fixture(scope="session")
def small_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds `lake`."""
    root = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as machine:
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            machine.delenv(name)
        settings = load_settings(source=str(root / "data"), lake=str(root / "lake"), workers=1)
    write_drop(SampleSpec(rows=10_000, weeks=WEEKS, devices=200, seed=1, files=2), root / "data", None, 1)
    for week in WEEKS:
        pq.write_table(_awkward_rows(), root / "data" / week / "awkward.parquet")
    source, lake = open_store(settings.source), open_store(settings.lake, create=True)
    for week in WEEKS:
        ingest(settings, source, lake, week)
        clean(settings, lake, week)
    feature(settings, lake)
    return root


def _awkward_rows() -> pa.Table:
    """Two rows for each product, the second a re-send of the first; and a row without a device."""
    twice = [pn for pn in AWKWARD for _ in range(2)]
    events = [f'{{"TimeStamp":"2024-05-08T10:00:00Z","For":"{pn}"}}' for pn in twice]
    return pa.table(
        {
            "service_tag": [*["AWKWARD"] * len(twice), None],
            "pn": [*twice, "I13"],
            "cat": ["Error"] * (len(twice) + 1),
            "ev": [*events, "{}"],
        }
    )
