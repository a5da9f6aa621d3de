"""docs/data.md says what the contract says."""

import datetime as dt
from dataclasses import fields
from pathlib import Path

import pytest

from services.clean import timestamps
from services.contracts import document, source
from services.contracts.manifest import Figures
from services.contracts.tables import QUARANTINE_REASONS


def test_the_data_dictionary_is_the_generated_one() -> None:
    written = (Path(__file__).parents[2] / "docs/data.md").read_text()
    assert written == document.data_dictionary(), "run `python -m services.contracts.document > docs/data.md`"


@pytest.mark.parametrize("form", document.TIME_FORMS, ids=lambda form: form.example)
def test_a_time_form_is_read_as_the_dictionary_says(form: document.TimeForm) -> None:
    utc = dt.datetime.fromisoformat(form.utc)
    since = utc - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert timestamps.from_text(form.example) == since // dt.timedelta(microseconds=1)


def test_every_source_column_figure_and_reason_is_described() -> None:
    assert tuple(column.name for column in document.SOURCE_COLUMNS[:-1]) == source.KNOWN
    assert list(document.FIGURES) == [*(f.name for f in fields(Figures)), "raw_bytes", "raw_bytes_previous"]
    assert tuple(document.QUARANTINE_MEANINGS) == QUARANTINE_REASONS
