"""docs/athena.sql against the contract: names, types, partitions and places of every table."""

import re
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest

from services.contracts import layout
from services.contracts.tables import CLEAN, DEVICE_FEATURES, ERROR_EVENTS, QUARANTINE, RAW, Table

SQL = re.sub(r"--.*", "", (Path(__file__).parents[2] / "docs/athena.sql").read_text())
LAKE = "s3://BUCKET/LAKE/"


class External(NamedTuple):
    columns: dict[str, str]
    partitions: dict[str, str]
    location: str
    properties: dict[str, str]


def external_tables() -> dict[str, External]:
    form = re.compile(
        r"CREATE EXTERNAL TABLE IF NOT EXISTS eventlog\.(\w+) \((.*?)\n\)\s*"
        r"(?:PARTITIONED BY \(([^)]*)\)\s*)?STORED AS PARQUET\s*LOCATION '([^']*)'\s*(?:TBLPROPERTIES \((.*?)\n\))?;",
        re.DOTALL,
    )
    return {
        name: External(
            _columns(columns), _columns(partitions), location, dict(re.findall(r"'(\S+)' = '([^']*)'", said))
        )
        for name, columns, partitions, location, said in form.findall(SQL)
    }


def views() -> dict[str, str]:
    return dict(re.findall(r"CREATE OR REPLACE VIEW eventlog\.(\w+) AS\s(.*?);", SQL, re.DOTALL))


def _columns(text: str) -> dict[str, str]:
    return {name.strip("`"): kind for name, kind in (part.split() for part in text.split(",") if part.strip())}


def athena_types(table: Table) -> dict[str, str]:
    return {column.name: _athena_type(column.type) for column in table.columns}


def _athena_type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return _athena_type(kind.value_type)
    if pa.types.is_timestamp(kind):
        return "timestamp"
    return {pa.string(): "string", pa.int64(): "bigint", pa.int32(): "int", pa.float64(): "double"}[kind]


@pytest.mark.parametrize(
    ("name", "table", "partitions", "file"),
    [
        ("raw", RAW, ("week", "pn"), layout.partition_key("ingest", "${week}", "I13")),
        ("clean", CLEAN, ("week", "pn"), layout.partition_key("clean", "2024-05-10", "I13")),
        ("clean_week", CLEAN, ("week",), layout.partition_key("clean", "2024-05-10", "I13")),
        ("quarantine", QUARANTINE, ("week",), layout.quarantine_key("2024-05-10")),
    ],
)
def test_a_partitioned_table_has_the_columns_and_the_place_of_its_files(
    name: str, table: Table, partitions: tuple[str, ...], file: str
) -> None:
    found = external_tables()[name]
    assert found.columns == athena_types(table)
    assert found.partitions == dict.fromkeys(partitions, "string")
    zone = "/".join(file.split("/")[:2])
    assert found.location == f"{LAKE}{zone}/"
    folders = "".join(f"{column}=${{{column}}}/" for column in partitions)
    assert found.properties["storage.location.template"] == found.location + folders
    example = folders.replace("${week}", "2024-05-10").replace("${pn}", "I13")
    assert file.replace("${week}", "2024-05-10").startswith(f"{zone}/{example}")


def test_weeks_are_projected_as_dates_and_products_as_they_are_asked_for() -> None:
    for found in external_tables().values():
        if found.partitions:
            assert found.properties["projection.enabled"] == "true"
            assert found.properties["projection.week.type"] == "date"
            assert found.properties["projection.week.format"] == "yyyy-MM-dd"
            assert found.properties.get("projection.pn.type") == ("injected" if "pn" in found.partitions else None)
            projected = {key.split(".")[1] for key in found.properties if key.startswith("projection.")} - {"enabled"}
            assert projected == set(found.partitions)


def test_the_feature_folder_has_the_columns_of_both_files() -> None:
    found = external_tables()["feature_files"]
    assert found.columns == athena_types(DEVICE_FEATURES) | athena_types(ERROR_EVENTS)
    assert found.partitions == {}
    for key in (layout.DEVICE_FEATURES, layout.ERROR_EVENTS):
        assert f"{LAKE}{key.rpartition('/')[0]}/" == found.location


@pytest.mark.parametrize(
    ("table", "key"), [(DEVICE_FEATURES, layout.DEVICE_FEATURES), (ERROR_EVENTS, layout.ERROR_EVENTS)]
)
def test_a_view_picks_one_feature_file_and_its_columns(table: Table, key: str) -> None:
    selected, condition = views()[table.name].split("FROM eventlog.feature_files")
    assert re.findall(r"\w+", selected)[1:] == table.schema.names
    assert condition.split() == ["WHERE", '"$path"', "LIKE", f"'%/{key.rpartition('/')[2]}'"]


def test_the_view_over_all_products_finds_the_pn_in_the_path() -> None:
    view = views()["clean_events"]
    pattern = re.search(r'regexp_extract\("\$path", \'([^\']+)\', 1\)', view)
    assert pattern
    assert "url_decode(" in view
    found = re.search(pattern[1], LAKE + layout.partition_key("clean", "2024-05-10", "A/B 7%"))
    assert found
    assert found[1] == layout.encode_pn("A/B 7%")


def test_every_table_of_the_contract_is_there() -> None:
    assert set(external_tables()) | set(views()) >= {"raw", "clean", "device_features", "error_events", "quarantine"}
