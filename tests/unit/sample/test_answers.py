"""The answers agree with the rows as far as can be seen without reading the rows as the product would."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from services.sample.drop import SampleSpec, write_drop
from services.sample.rules import BIG_ROWS, EVEN_ROWS, ORDINARY, RULES

WEEK = "2024-05-10"
VOLATILE = ("LogTime", "UploadTime", "SeqNo", "BatchId")


def drop(folder, rows, mix) -> tuple[pa.Table, pd.DataFrame]:
    """Source rows (texts as bytes) and answers, aligned."""
    paths = write_drop(SampleSpec(rows, (WEEK,), rows // 50, 9, 8, mix), folder / "source", folder / "answers", 1)
    source = pa.concat_tables([pq.read_table(path) for path in paths])
    as_bytes = [column.cast(pa.binary()) if column.type == pa.string() else column for column in source.columns]
    return pa.table(as_bytes, source.column_names), pd.read_parquet(folder / "answers" / f"{WEEK}.parquet")


@pytest.fixture(scope="module")
def even(tmp_path_factory):
    return drop(tmp_path_factory.mktemp("even"), EVEN_ROWS, "even")


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    return drop(tmp_path_factory.mktemp("field"), BIG_ROWS, "field")


def test_an_even_mix_plants_a_thousand_cases_and_near_misses_of_every_rule(even):
    _, answers = even
    cases = pd.crosstab(answers.rule, answers.planted)
    assert set(cases.index) == set(RULES)
    cases = cases.drop(index=[ORDINARY, "ev_too_big"])
    assert cases[True].min() >= 1_000, cases[True].idxmin()
    assert cases[False].min() >= 1_000, cases[False].idxmin()


@pytest.mark.parametrize("mix", ["even", "field"])
def test_a_handful_of_events_stand_at_the_size_limit(mix, request):
    source, answers = request.getfixturevalue(mix)
    sizes = pd.Series(pc.binary_length(source["ev"]).to_pandas())
    assert sizes[answers.rule == "ev_too_big"].sort_values().tolist() == [1_048_576] * 2 + [1_048_577] * 2
    assert answers.ev_status[sizes > 1_048_576].tolist() == ["too_big"] * 2


@pytest.mark.parametrize(
    ("figure", "low", "high"),
    [
        (lambda rows: rows.copies.isna() & rows.reason.isna(), 0.06, 0.08),
        (lambda rows: (rows.rule == "clock_fault") & rows.planted, 0.010, 0.02),
        (lambda rows: rows.rule == "missing_pn", 0.003, 0.008),
        (lambda rows: ~rows.ev_status.isin(["ok"]) & rows.reason.isna(), 0.001, 0.003),
        (lambda rows: rows.is_error.eq(other=True), 0.03, 0.06),
        (lambda rows: rows.reason.notna(), 0.0001, 0.001),
    ],
    ids=["re-sends", "clock faults", "missing pn", "broken ev", "errors", "quarantined"],
)
def test_a_field_mix_is_as_in_the_field(field, figure, low, high):
    assert low < figure(field[1]).mean() < high


def test_a_field_mix_has_few_products_and_one_that_is_odd_in_a_path(field):
    names = set(field[1].pn.dropna())
    assert "L5/Pro" in names
    assert len(names) < 20


def test_devices_differ_a_hundredfold_and_a_few_burst_with_errors(field):
    _, answers = field
    per_device = answers.groupby("service_tag").agg(events=("week", "size"), errors=("is_error", "sum"))
    assert per_device.events.max() > 20 * per_device.events.median()
    anomalous = per_device[(per_device.events > 20) & (per_device.errors > 0.35 * per_device.events)]
    assert 1 <= len(anomalous) <= 0.02 * len(per_device)


def test_ordinary_events_fall_around_their_week(field):
    times = field[1].valid_timestamp[field[1].rule == ORDINARY]
    start = datetime(2024, 5, 3, tzinfo=UTC)
    assert times.max() < start + timedelta(days=8)
    assert times.min() > start - timedelta(days=36)
    assert 0.9 < (times >= start).mean() < 1


def test_in_quarantine_a_row_has_only_its_identity_and_the_reason(even):
    _, answers = even
    columns = ["pn", "service_tag", "valid_timestamp", "timestamp_source", "timestamp_status", "ev_status"]
    columns += ["kept_file", "kept_row", "copies", "is_error"]
    rejected = answers[answers.reason.notna()]
    assert rejected[columns].isna().all().all()
    assert set(rejected.reason) == {"bad_utf8", "no_service_tag", "bad_pn"}
    assert (
        answers[answers.reason.isna()][["pn", "service_tag", "ev_status", "kept_file", "is_error"]].notna().all().all()
    )


def test_a_row_goes_exactly_where_a_re_send_is_planted(even):
    answers = even[1][even[1].reason.isna()]
    goes = (answers.kept_file != answers.source_file) | (answers.kept_row != answers.source_row)
    planted = answers.planted & answers.rule.str.startswith("resend")
    assert (goes == planted).all()
    assert (answers.copies.isna() == goes).all()
    assert answers.copies.sum() == len(answers)


def test_the_smallest_row_of_a_group_stays(even):
    answers = even[1][even[1].reason.isna()]
    groups = defaultdict(list)
    columns = ["kept_file", "kept_row", "valid_timestamp", "pn", "source_file", "source_row"]
    rows = answers[columns].itertuples(index=False)
    for kept_file, kept_row, time, pn, file, row in rows:
        groups[kept_file, kept_row].append((time, pn == "UNKNOWN", file, row))
    of_many = {kept: group for kept, group in groups.items() if len(group) > 1}
    assert all(min(group)[2:] == kept for kept, group in of_many.items())
    assert {len(group) for group in of_many.values()} == {2, 3, 4}
    spread = [len({file for _, _, file, _ in group}) > 1 for group in of_many.values()]
    assert any(spread)
    assert not all(spread)


def test_re_sends_have_one_payload_unless_they_conflict(even):
    source, answers = even
    evs = source["ev"].to_pylist()
    place = {
        identity: index for index, identity in enumerate(zip(answers.source_file, answers.source_row, strict=True))
    }
    # EventId may be a number here and its text there, which is another payload and no conflict of the event.
    unlike = {"resend_conflict", "resend_event_number"}
    again = answers[answers.planted & answers.rule.str.startswith("resend") & ~answers.rule.isin(unlike)]
    for index, file, row in zip(again.index, again.kept_file, again.kept_row, strict=True):
        assert payload(evs[index]) == payload(evs[place[file, row]])


def payload(ev: bytes) -> bytes:
    fields = {name: value for name, value in orjson.loads(ev).items() if name not in VOLATILE}
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
