"""Which files and columns a drop may have, and every fault of those that it may not."""

import pyarrow as pa
import pytest

from services.contracts.source import ExtraColumns, is_source_file, plain, raw_name, schema_faults

GOOD = {"service_tag": pa.string(), "cat": pa.string(), "ev": pa.string()}


def faults_of(**columns):
    types = {**GOOD, **columns}
    schema = pa.schema([(name, kind) for name, kind in types.items() if kind is not None])
    return [(fault.column, fault.reason) for fault in schema_faults("a.parquet", schema)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.parquet", True),
        ("_a.parquet", False),
        (".a.parquet", False),
        ("a.parquet.tmp", False),
        ("a.PARQUET", False),
        ("_SUCCESS", False),
    ],
)
def test_source_files_end_in_parquet_and_are_not_hidden(name, expected):
    assert is_source_file(name) is expected


STRINGS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()), pa.null()]
TIMES = [pa.timestamp("s"), pa.timestamp("ns", "Asia/Kolkata")]
NUMBERS = [pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.dictionary(pa.int8(), pa.int64())]
NESTED = [
    pa.struct([("a", pa.list_(pa.float64())), ("b", pa.struct([("c", pa.timestamp("us"))]))]),
    pa.map_(pa.string(), pa.bool_()),
    pa.struct([]),
]


@pytest.mark.parametrize(
    ("column", "kinds"),
    [
        ("service_tag", STRINGS),
        ("cat", STRINGS),
        ("ev", [*STRINGS, pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(4), *NESTED]),
        ("pn", [*STRINGS, pa.int8(), pa.uint64()]),
        ("ts", [*STRINGS, *TIMES, *NUMBERS, pa.date32(), pa.date64()]),
        ("eventdate", [*STRINGS, *TIMES, *NUMBERS]),
        ("other", [pa.decimal128(5, 2), pa.binary(), pa.list_(pa.int8()), pa.time32("s"), pa.duration("s")]),
    ],
)
def test_accepted_types_have_no_fault(column, kinds):
    assert {str(kind): faults_of(**{column: kind}) for kind in kinds} == {str(kind): [] for kind in kinds}


@pytest.mark.parametrize(
    ("column", "kinds"),
    [
        ("service_tag", [pa.int64(), pa.binary()]),
        ("cat", [pa.bool_(), pa.binary()]),
        (
            "ev",
            [
                pa.list_(pa.string()),
                pa.int64(),
                pa.struct([("a", pa.binary())]),
                pa.struct([("a", pa.list_(pa.decimal128(5, 2)))]),
                pa.map_(pa.int64(), pa.string()),
            ],
        ),
        ("pn", [pa.float64(), pa.binary(), pa.bool_()]),
        ("ts", [pa.binary(), pa.bool_(), pa.time64("us"), pa.decimal128(5, 2)]),
        ("eventdate", [pa.date32(), pa.bool_(), pa.decimal128(20, 0)]),
    ],
)
def test_lossy_types_are_faults(column, kinds):
    for kind in kinds:
        ((name, reason),) = faults_of(**{column: kind})
        assert name == column
        assert reason.startswith(f"has type {kind}, accepted are ")


def test_every_fault_is_named_at_once_with_the_name_that_may_be_meant():
    schema = pa.schema([("Service_Tag", pa.string()), ("ev", pa.int8()), ("ts", pa.bool_()), ("TS", pa.string())])
    assert [str(fault) for fault in schema_faults("a.parquet", schema)] == [
        "a.parquet: column service_tag: is missing (there is 'Service_Tag'; names are case-sensitive)",
        "a.parquet: column cat: is missing",
        "a.parquet: column ev: has type int8, accepted are strings, binary, and structs or maps without binary and "
        "decimal children",
        "a.parquet: column ts: has type bool, accepted are strings, timestamps, dates, integers and floats",
        "a.parquet: column TS: differs from column ts only in case, or not at all",
    ]


@pytest.mark.parametrize("column", ["ev", "other"])
def test_a_struct_with_two_fields_of_one_name_is_a_fault(column):
    twice = pa.struct([("a", pa.int8()), ("b", pa.int8()), ("a", pa.string())])
    assert faults_of(**{column: pa.list_(twice) if column == "other" else twice}) == [
        (column, "has a struct with two fields named a")
    ]


@pytest.mark.parametrize("names", [("A", "a"), ("a", "a"), ("week", "source_Week"), ("ev", "EV")])
def test_columns_that_differ_only_in_case_are_a_fault(names):
    fields = [pa.field(name, kind) for name, kind in GOOD.items() if name not in names] + [
        (name, pa.string()) for name in names
    ]
    assert len(schema_faults("a.parquet", pa.schema(fields))) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("week", "source_week"),
        ("WEEK", "source_WEEK"),
        ("Source_File", "source_Source_File"),
        ("source_row", "source_source_row"),
        ("pn2", "pn2"),
    ],
)
def test_taken_names_get_a_prefix(name, expected):
    assert raw_name(name) == expected


def extra(*schemas):
    return ExtraColumns({f"{place}.parquet": pa.schema(schema) for place, schema in enumerate(schemas)})


def test_extra_columns_have_one_type_for_the_whole_drop():
    found = extra(
        [
            ("same", pa.int8()),
            ("text", pa.string_view()),
            ("empty", pa.null()),
            ("mixed", pa.int8()),
            ("ev", pa.string()),
        ],
        [
            ("same", pa.int8()),
            ("text", pa.dictionary(pa.int8(), pa.string())),
            ("mixed", pa.string()),
            ("Week", pa.int8()),
        ],
        [("empty", pa.null()), ("same", pa.null())],
    )
    assert found.faults == []
    assert found.as_json == {"mixed"}
    assert found.schema == pa.schema(
        [
            ("empty", pa.string()),
            ("mixed", pa.string()),
            ("same", pa.int8()),
            ("source_Week", pa.int8()),
            ("text", pa.string()),
        ]
    )


def test_extra_columns_that_differ_only_in_case_across_files_are_a_fault():
    assert [str(fault) for fault in extra([("Region", pa.int8())], [("region", pa.int8())]).faults] == [
        "1.parquet: column region: is spelt Region in another file of the drop"
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.dictionary(pa.int8(), pa.string_view()), pa.string()),
        (pa.binary_view(), pa.binary()),
        (pa.list_(pa.struct([("a", pa.string_view())])), pa.list_(pa.struct([("a", pa.string())]))),
        (pa.map_(pa.string_view(), pa.binary_view()), pa.map_(pa.string(), pa.binary())),
        (pa.large_string(), pa.large_string()),
        (pa.large_list(pa.dictionary(pa.int8(), pa.binary())), pa.large_list(pa.binary())),
        (pa.list_view(pa.string_view()), pa.list_(pa.string())),
        (pa.list_(pa.string_view(), 2), pa.list_(pa.string(), 2)),
        (pa.json_(), pa.string()),
        (pa.struct([pa.field("a", pa.int8(), nullable=False)]), pa.struct([("a", pa.int8())])),
    ],
)
def test_plain_types_have_neither_dictionary_nor_views(kind, expected):
    assert plain(kind) == expected
