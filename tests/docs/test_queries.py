"""The queries of docs/queries.md run as they stand, and every engine gives the same rows."""

import importlib.util
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from tests.docs.conftest import AWKWARD, WEEKS

TEXT = (Path(__file__).parents[2] / "docs/queries.md").read_text()
Rows = list[tuple[Any, ...]]


def blocks(section: str) -> list[str]:
    text = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    [found] = [part for part in text if part.startswith(f"{section}\n")]
    return re.findall(r"```(?:sql|python)\n(.*?)```", found, re.DOTALL)


@pytest.fixture(autouse=True)
def beside_the_lake(small_lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small_lake)


@pytest.fixture
def by_duckdb() -> Iterator[dict[str, Rows]]:
    with duckdb.connect() as connection:
        results = {}
        setup, *queries = blocks("DuckDB")
        connection.execute(setup)
        for query in queries:
            name = re.match(r"-- (\w+)\n", query)
            assert name, query
            # Through Arrow: fetchall() of times with a zone would need pytz.
            table = connection.sql(query).to_arrow_table()
            results[name[1]] = [tuple(row.values()) for row in table.to_pylist()]
        yield results


def python_results(section: str, to_rows: Callable[[Any], Rows]) -> dict[str, Rows]:
    """Run a section's blocks one after the other; what each one prints or shows, by its name."""
    names: dict[str, Any] = {}
    setup, *queries = blocks(section)
    exec(setup, names)
    results = {}
    for query in queries:
        exec(query, names)
        shown = re.search(r"^print\((\w+)\)$|^(\w+)\.show\(\)$", query, re.MULTILINE)
        assert shown, query
        name = shown[1] or shown[2]
        results[name] = to_rows(names[name])
    return results


def pandas_rows(frame: pd.DataFrame) -> Rows:
    return [tuple(row) for row in frame.astype(object).itertuples(index=False)]


def polars_rows(frame: pl.DataFrame) -> Rows:
    return frame.rows()


def spark_rows(frame: Any) -> Rows:
    # Spark hands out naive local times; as text they are in the session's zone.
    times = [name for name, kind in frame.dtypes if kind == "timestamp"]
    texts = frame.withColumns({name: frame[name].cast("string") for name in times})
    utc = [name in times for name in frame.columns]
    return [
        tuple(pd.Timestamp(value, tz="UTC") if is_time else value for value, is_time in zip(row, utc, strict=True))
        for row in texts.collect()
    ]


def test_duckdb_answers_every_question(by_duckdb: dict[str, Rows]) -> None:
    assert list(by_duckdb) == ["worst", "bursts", "resends", "times", "refused", "said"]
    assert all(by_duckdb.values())


def test_resends_and_refused_rows_are_those_of_the_manifests(by_duckdb: dict[str, Rows]) -> None:
    cleaned = manifest("clean", "2024-05-10")
    assert sum(row[1] for row in by_duckdb["resends"]) == cleaned["quality"]["counts"]["raw_rows"]
    assert sum(row[2] for row in by_duckdb["resends"]) == cleaned["quality"]["counts"]["resends"]
    assert {row[0] for row in by_duckdb["resends"]} == set(cleaned["quality"]["counts_by_pn"]) >= set(AWKWARD)
    refused = {
        (week, reason): rows
        for week in WEEKS
        for reason, rows in manifest("ingest", week)["drop"]["quarantined"].items()
    }
    assert {(week, reason): rows for week, reason, rows in by_duckdb["refused"]} == {
        k: n for k, n in refused.items() if n
    }


@pytest.mark.parametrize(("section", "to_rows"), [("pandas", pandas_rows), ("polars", polars_rows)])
def test_an_engine_in_this_process_gives_the_rows_of_duckdb(
    section: str, to_rows: Callable[[Any], Rows], by_duckdb: dict[str, Rows]
) -> None:
    for name, rows in python_results(section, to_rows).items():
        assert rows == by_duckdb[name], f"{section}: {name}"


@pytest.mark.spark
@pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed; run `make test-spark`"
)
@pytest.mark.skipif(shutil.which("java") is None, reason="there is no java; install a JRE, then `make test-spark`")
@pytest.mark.filterwarnings("ignore")  # Spark's own
def test_spark_gives_the_rows_of_duckdb(by_duckdb: dict[str, Rows], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--master local[1] --conf spark.ui.enabled=false pyspark-shell")
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    try:
        for name, rows in python_results("Spark", spark_rows).items():
            assert rows == by_duckdb[name], name
    finally:
        from pyspark.sql import SparkSession

        if session := SparkSession.getActiveSession():
            session.stop()


def test_one_state_of_a_week_is_read_and_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    [block] = blocks("One state of a week")
    exec(block, {})
    rows = manifest("clean", "2024-05-10")["ledger"]["clean_rows"]
    assert capsys.readouterr().out == f"{rows} events of generation 1\n"


def manifest(stage: str, week: str) -> Any:
    return json.loads(Path(f"lake/_control/{stage}/week={week}/manifest.json").read_text())
