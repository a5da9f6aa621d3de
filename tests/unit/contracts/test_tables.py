"""The tables of the lake as one piece: names, order, where other columns go."""

import pyarrow as pa

from services.contracts.tables import RAW, TABLES, raw_schema


def test_every_column_says_what_it_means_and_orders_name_columns():
    for table in TABLES:
        names = [column.name for column in table.columns]
        assert len(names) == len(set(names))
        assert all(column.meaning.endswith((".", "…")) for column in table.columns)
        known = {*names, "source_file", "source_row"}
        assert {entry.split(" ")[0] for entry in table.order} <= known


def test_partition_columns_are_in_no_partitioned_file():
    partitioned = [table for table in TABLES if "pn=P" in table.files]
    assert len(partitioned) == 2
    assert not [table.name for table in partitioned if {"week", "pn"} & {column.name for column in table.columns}]


def test_other_columns_of_raw_stand_before_the_identity_sorted_by_bytes():
    extra = pa.schema([("é", pa.int8()), ("b", pa.int8()), ("Z", pa.int8())])
    names = raw_schema(extra).names
    assert names == [
        "service_tag",
        "cat",
        "ev",
        "ts",
        "eventdate",
        "Z",
        "b",
        "é",
        "source_file",
        "source_row",
    ]
    assert raw_schema(pa.schema([])) == RAW.schema
