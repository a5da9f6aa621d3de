"""The lake as its users read it: through the Hive partitions, with partition filters, by four libraries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from services.contracts.tables import CLEAN, TIMESTAMP
from tests.drops import NEXT_WEEK, WEEK, read_file
from tests.integration.lakes import Golden

COLUMNS = [*CLEAN.schema.names, "week", "pn"]
IDENTITY = [("week", "ascending"), ("source_file", "ascending"), ("source_row", "ascending")]
HIVE = ds.partitioning(pa.schema([("week", pa.string()), ("pn", pa.string())]), flavor="hive")
PRODUCTS = ["007", "a/b", "two words", "Größe", "100%", "I13", "UNKNOWN"]

Read = Callable[[Path, str | None, str | None], pa.Table]


def by_duckdb(folder: Path, week: str | None, pn: str | None) -> pa.Table:
    parts = {name: value for name, value in (("week", week), ("pn", pn)) if value is not None}
    where = " AND ".join(f"{name} = ${name}" for name in parts) or "true"
    return duckdb.sql(
        f"SELECT * REPLACE (epoch_us(valid_timestamp) AS valid_timestamp) FROM read_parquet('{folder}/**/*.parquet', "
        f"hive_partitioning = true, hive_types = {{'week': VARCHAR, 'pn': VARCHAR}}) WHERE {where}",
        params=parts,
    ).to_arrow_table()


def by_pandas(folder: Path, week: str | None, pn: str | None) -> pa.Table:
    filters = _filters(week, pn)
    frame = pd.read_parquet(folder, partitioning=HIVE, filters=filters)
    assert isinstance(frame["valid_timestamp"].dtype, pd.DatetimeTZDtype)
    assert pd.api.types.is_integer_dtype(frame["copies"])
    return pa.Table.from_pandas(frame, preserve_index=False)


def by_pyarrow(folder: Path, week: str | None, pn: str | None) -> pa.Table:
    filters = _filters(week, pn)
    return ds.dataset(folder, partitioning=HIVE).to_table(filter=pq.filters_to_expression(filters) if filters else None)


def by_polars(folder: Path, week: str | None, pn: str | None) -> pa.Table:
    found = pl.scan_parquet(
        f"{folder}/**/*.parquet", hive_partitioning=True, hive_schema={"week": pl.String, "pn": pl.String}
    )
    for name, _, value in _filters(week, pn) or ():
        found = found.filter(pl.col(name) == value)
    frame = found.collect()
    assert frame.schema["valid_timestamp"] == pl.Datetime("us", "UTC")
    return frame.to_arrow()


def _filters(week: str | None, pn: str | None) -> list[tuple[str, str, str]] | None:
    return [(n, "==", v) for n, v in (("week", week), ("pn", pn)) if v is not None] or None


READERS: Sequence[Read] = (by_duckdb, by_pandas, by_pyarrow, by_polars)


def plain(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows in one spelling and one order, whatever a library calls its types."""
    columns = {}
    for name in COLUMNS:
        column = rows[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if name == "valid_timestamp":
            column = column.cast(pa.int64())
        columns[name] = column.cast(pa.string()) if pa.types.is_large_string(column.type) else column
    return pa.table(columns).sort_by(IDENTITY).to_pylist()


def expected(golden: Golden, week: str | None, pn: str | None) -> list[dict[str, Any]]:
    """The files one by one, each with what the contract says of its folder."""
    parts = []
    for each in (WEEK, NEXT_WEEK):
        for product, rows in golden.chain.partitions("clean", each).items():
            if week in (None, each) and pn in (None, product):
                parts.append(
                    rows.append_column("week", pa.repeat(each, len(rows))).append_column(
                        "pn", pa.repeat(product, len(rows))
                    )
                )
    return plain(pa.concat_tables(parts))


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize(
    ("week", "pn"), [(None, None), (WEEK, None), (NEXT_WEEK, "I13"), *((WEEK, pn) for pn in PRODUCTS), (None, "007")]
)
def test_every_library_reads_the_same_rows(golden: Golden, read: Read, week: str | None, pn: str | None) -> None:
    folder = golden.chain.lake / "clean" / "event_log"
    rows = plain(read(folder, week, pn))
    assert rows
    assert rows == expected(golden, week, pn)


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_types_are_those_that_a_reader_expects(golden: Golden, read: Read) -> None:
    rows = read(golden.chain.lake / "clean" / "event_log", WEEK, "007")
    kinds = {field.name: field.type for field in rows.schema}
    assert kinds["copies"] == pa.int32()
    assert kinds["source_row"] == pa.int64()
    assert kinds["valid_timestamp"] in (TIMESTAMP, pa.int64())  # DuckDB's zoned times need a time zone database
    for name in (
        "service_tag",
        "timestamp_source",
        "timestamp_status",
        "event_key",
        "cat",
        "ev",
        "ev_status",
        "week",
        "pn",
    ):
        kind = kinds[name].value_type if pa.types.is_dictionary(kinds[name]) else kinds[name]
        assert pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind), (name, kind)


@pytest.mark.parametrize("zone", ["raw", "clean"])
def test_raw_and_clean_are_read_without_a_word_about_partitions(golden: Golden, zone: str) -> None:
    """Also by a library's own guesses: no column of a file is in its path too, so that none of them fails."""
    folder = golden.chain.lake / zone / "event_log"
    counts = {
        "duckdb": duckdb.sql(f"SELECT count(*) FROM '{folder}/*/*/*.parquet'").fetchall()[0][0],
        "pandas": len(pd.read_parquet(folder)),
        "pyarrow": pq.read_table(folder).num_rows,
        "polars": pl.scan_parquet(folder).collect().height,
    }
    stage = "ingest" if zone == "raw" else "clean"
    rows = sum(golden.chain.manifest(stage, week).ledger[f"{zone}_rows"] for week in (WEEK, NEXT_WEEK))  # type: ignore[arg-type]
    assert counts == dict.fromkeys(counts, rows)


@pytest.mark.parametrize("name", ["device_features", "error_events"])
def test_the_feature_tables_are_the_same_to_every_library(golden: Golden, name: str) -> None:
    path = golden.chain.lake / "feature" / "event_log" / f"{name}.parquet"
    told = read_file(path)
    times = [field.name for field in told.schema if pa.types.is_timestamp(field.type)]
    zoneless = " ".join(f"epoch_us({time}) AS {time}," for time in times).rstrip(",")
    found = {
        "duckdb": duckdb.sql(f"SELECT * REPLACE ({zoneless}) FROM '{path}'").to_arrow_table(),
        "pandas": pa.Table.from_pandas(pd.read_parquet(path), preserve_index=False),
        "polars": pl.read_parquet(path).to_arrow(),
    }
    for library, table in found.items():
        for column in told.column_names:
            mine, theirs = told[column].to_pylist(), table[column].to_pylist()
            if column in times:
                mine, theirs = told[column].cast(pa.int64()).to_pylist(), table[column].cast(pa.int64()).to_pylist()
            if pa.types.is_floating(told[column].type):
                theirs = [None if value != value else value for value in theirs]  # pandas has NaN for it
            assert theirs == mine, (library, column)


def test_a_week_is_found_by_a_filter_alone(golden: Golden) -> None:
    """A partition filter reads no file of another week."""
    dataset = ds.dataset(golden.chain.lake / "clean" / "event_log", partitioning=HIVE)
    files = {fragment.path for fragment in dataset.get_fragments(filter=ds.field("week") == WEEK)}
    assert files
    assert all(f"week={WEEK}/" in path for path in files)
    assert len(files) == len(golden.chain.partitions("clean", WEEK))
