"""Counts, intervals and modes of devices, however the rows come."""

import math
from typing import get_args

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.severity import Severity
from services.contracts.tables import DEVICE_FEATURES, ERROR_EVENTS, TIMESTAMP
from services.feature import aggregate
from services.feature.aggregate import Aggregator, in_microseconds
from services.feature.counts import are_errors, counts_by_device, severities
from tests import reference

MEMORY = 256 * 1024**2


def clean_rows(*rows):
    """Rows of (tag, cat, µs or None, pn, week), in the form in which the aggregator takes them."""
    names = ("service_tag", "cat", "valid_timestamp", "pn", "week")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    return pa.table(
        {
            **{name: pa.array(columns[name], pa.string()) for name in ("service_tag", "cat", "pn", "week")},
            "valid_timestamp": pa.array(columns["valid_timestamp"], pa.int64()).cast(TIMESTAMP),
            "event_key": pa.array([f"k{place}" for place in range(len(rows))], pa.string()),
            "ev": pa.array([f"e{place}" for place in range(len(rows))], pa.string()),
            "source_file": pa.array(["a.parquet"] * len(rows), pa.string()),
            "source_row": pa.array(range(len(rows)), pa.int64()),
        }
    )


def tables(rows, folder, pieces=1):
    """device_features and error_events of the rows, which come in so many pieces."""
    size = max(1, -(-len(rows) // pieces))
    parts = [rows.slice(start, size) for start in range(0, len(rows), size)]
    with Aggregator(folder, memory=MEMORY, threads=2) as aggregator:
        for part in parts:
            for counts in counted(part):
                aggregator.count(counts)
            aggregator.collect(part.filter(pa.array(are_errors(severities(part["cat"])))))
        features = list(aggregator.device_features("2024-05-17"))
        errors = list(aggregator.error_events())
    return whole(features, DEVICE_FEATURES.schema), whole(errors, ERROR_EVENTS.schema)


def counted(rows):
    """The counts of each partition among the rows."""
    for where in {(row["pn"], row["week"]) for row in rows.select(["pn", "week"]).to_pylist()}:
        here = [(row["pn"], row["week"]) == where for row in rows.select(["pn", "week"]).to_pylist()]
        part = rows.filter(pa.array(here))
        counts = counts_by_device(part["service_tag"], severities(part["cat"]))
        for name, value in zip(("pn", "week"), where, strict=True):
            counts = counts.append_column(name, pa.array([value] * len(counts), pa.string()))
        yield counts


def whole(batches, schema):
    return pa.concat_tables([batch.cast(schema) for batch in batches] or [schema.empty_table()])


def errors_at(*micros):
    return clean_rows(*[("T1", "Error", time, "I13", "2024-05-10") for time in micros])


@pytest.mark.parametrize(
    ("times", "mean", "std"),
    [
        ((), None, None),
        ((0,), None, None),
        ((None, None), None, None),
        ((0, 3_000_000), 3.0, None),
        ((3_000_000, None, 0), 3.0, None),
        ((0, 1_000_000, 3_000_000), 1.5, math.sqrt(0.5)),
        ((3_000_000, 0, 1_000_000), 1.5, math.sqrt(0.5)),
        ((5, 5, 5), 0.0, 0.0),
        ((0, 1, 2), 1e-6, 0.0),
        ((0, 10**15, 2 * 10**15 + 1), 1_000_000_000.0000005, 7.0710678e-07),
        ((-62 * 10**15, 0, 253 * 10**15), 157_500_000_000.0, 135_057_395_205.89),
    ],
)
def test_intervals_are_exact(times, mean, std, tmp_path):
    features, _ = tables(errors_at(*times), tmp_path)
    if not times:
        assert features.num_rows == 0
        return
    (found,) = features.to_pylist()
    assert found["error_interval_mean"] == (mean if mean is None else pytest.approx(mean, rel=1e-12))
    assert found["error_interval_std"] == (std if std is None else pytest.approx(std, rel=1e-6))
    known = [time for time in times if time is not None]
    spans = features.select(["first_error_time", "last_error_time"]).to_pydict()
    micros = [None if v[0] is None else pa.scalar(v[0], TIMESTAMP).cast(pa.int64()).as_py() for v in spans.values()]
    assert micros == ([min(known), max(known)] if known else [None, None])


@pytest.mark.parametrize(
    ("places", "pn", "week"),
    [
        ([("I13", "w1"), ("I14", "w1"), ("I14", "w2")], "I14", "w1"),
        ([("I14", "w2"), ("I13", "w1")], "I13", "w1"),
        ([("UNKNOWN", "w1"), ("UNKNOWN", "w1"), ("I13", "w1")], "UNKNOWN", "w1"),
        ([("UNKNOWN", "w1"), ("Z", "w1")], "UNKNOWN", "w1"),
        ([("\U0001f4bb", "w1"), ("\uffff", "w1")], "\uffff", "w1"),
        ([("a", "w1"), ("B", "w1")], "B", "w1"),
        ([("I9", "w1"), ("I10", "w1")], "I10", "w1"),
    ],
)
def test_the_most_frequent_and_of_equals_the_smallest_by_bytes(places, pn, week, tmp_path):
    features, _ = tables(clean_rows(*[("T1", "Info", 0, one, of) for one, of in places]), tmp_path)
    (found,) = features.to_pylist()
    assert (found["dominate_pn"], found["dominate_week"], found["as_of_week"]) == (pn, week, "2024-05-17")


def test_counts_are_by_severity_and_critical_errors_are_errors(tmp_path):
    cats = ["Error", " error", "CRITICAL\u3000", "Warning", "Warn", None, "Info"]
    features, errors = tables(clean_rows(*[("T1", cat, 0, "I13", "w") for cat in cats]), tmp_path)
    (found,) = features.to_pylist()
    assert {name: found[name] for name in features.column_names if "_total" in name or name == "total_events"} == {
        "total_events": 7,
        "error_count_total": 3,
        "critical_count_total": 1,
        "warning_count_total": 1,
    }
    assert found["error_ratio"] == 3 / 7
    assert errors["cat"].to_pylist() == ["Error", " error", "CRITICAL\u3000"]


def test_errors_are_by_device_time_week_pn_and_identity_with_nulls_last(tmp_path):
    rows = [
        ("T2", "Error", 1, "I13", "w1"),
        ("T1", "Error", None, "I13", "w1"),
        ("T1", "Error", 5, "I14", "w1"),
        ("T1", "Error", 5, "I13", "w2"),
        ("T1", "Error", 5, "I13", "w1"),
        ("T1", "Error", 5, "I13", "w1"),
        ("T1", "Error", -1, "UNKNOWN", "w2"),
        ("t1", "Error", 0, "I13", "w1"),
    ]
    _, errors = tables(clean_rows(*rows), tmp_path)
    assert errors["event_key"].to_pylist() == ["k6", "k4", "k5", "k2", "k3", "k1", "k0", "k7"]


def test_no_rows_are_empty_tables(tmp_path):
    features, errors = tables(clean_rows(), tmp_path)
    assert features.schema == DEVICE_FEATURES.schema
    assert errors.schema == ERROR_EVENTS.schema
    assert len(features) == len(errors) == 0


ROW = st.tuples(
    st.sampled_from(["T1", "T2", "é"]),
    st.sampled_from(["Error", "critical", "Warning", "Info", None]),
    st.none() | st.sampled_from([0, 1, 10**6, 1_715_162_400_000_000]) | st.integers(-62 * 10**15, 253 * 10**15),
    st.sampled_from(["I13", "I9", "UNKNOWN"]),
    st.sampled_from(["2024-05-10", "2024-05-17"]),
)


@settings(max_examples=25)
@given(st.lists(ROW, min_size=1, max_size=40))
def test_intervals_and_modes_are_the_references(tmp_path_factory, rows):
    features, _ = tables(clean_rows(*rows), tmp_path_factory.mktemp("duckdb"), pieces=3)
    for found in features.to_pylist():
        mine = [row for row in rows if row[0] == found["service_tag"]]
        times = sorted(row[2] for row in mine if row[1] in ("Error", "critical") and row[2] is not None)
        mean, std = reference.intervals(times)
        assert found["error_interval_mean"] == (mean if mean is None else pytest.approx(mean, rel=1e-9, abs=1e-9))
        assert found["error_interval_std"] == (std if std is None else pytest.approx(std, rel=1e-9, abs=1e-9))
        assert found["dominate_pn"] == reference.most_frequent(row[3] for row in mine)
        assert found["dominate_week"] == reference.most_frequent(row[4] for row in mine)


@settings(max_examples=15)
@given(st.lists(ROW, min_size=1, max_size=40), st.randoms(use_true_random=False), st.integers(1, 6))
def test_neither_order_nor_pieces_show(tmp_path_factory, rows, random, pieces):
    folder = tmp_path_factory.mktemp("duckdb")
    for name in ("one", "other"):
        (folder / name).mkdir()
    ordered = clean_rows(*rows)
    shuffled = ordered.take(random.sample(range(len(rows)), len(rows)))
    one, other = tables(ordered, folder / "one"), tables(shuffled, folder / "other", pieces)
    assert one[0].equals(other[0])
    assert one[1].equals(other[1])


def test_severities_are_judged_once_for_each_category():
    found = severities(pa.chunked_array([["Error", None], ["warning ", "Error"]]))
    assert [get_args(Severity)[place] for place in found] == ["error", "other", "warning", "error"]
    assert are_errors(found).tolist() == [True, False, False, True]


def test_times_leave_for_duckdb_as_integers():
    rows = in_microseconds(pa.table({"x": [1], "valid_timestamp": pa.array([5], TIMESTAMP)}))
    assert rows.to_pylist() == [{"x": 1, "valid_us": 5}]


def test_rows_that_went_in_are_held_no_longer(tmp_path, monkeypatch):
    monkeypatch.setattr(aggregate, "_BATCH_BYTES", 1)
    before = pa.total_allocated_bytes()
    held = given_in = 0
    with Aggregator(tmp_path, memory=MEMORY, threads=2) as aggregator:
        for first in range(0, 40_000, 2_000):
            rows = clean_rows(*((f"T{n}", "Error", n, "P", "2024-05-17") for n in range(first, first + 2_000)))
            given_in += rows.nbytes
            aggregator.collect(rows)
            del rows
            held = pa.total_allocated_bytes() - before
    assert held < given_in / 5
