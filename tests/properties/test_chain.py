"""The real stages against the reference, on drops that Hypothesis makes as nasty as it can, and what must never change."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from services.runtime.native import eventlog_kernel
from tests.drops import NEXT_WEEK, WEEK, Chain, Files, assert_follows_reference
from tests.properties.nasty import crowded_drops, drops

# To make a failing drop smaller takes minutes of whole stages: add Phase.shrink when one has to be read.
whole_stages = settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])
KERNELS = ["python"] if eventlog_kernel is None else ["python", "native"]


@contextmanager
def made(weeks: dict[str, Files], **chosen: Any) -> Iterator[Chain]:
    """The whole chain over some drops, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain(Path(folder))
        for week, drop in weeks.items():
            chain.drop(drop, week)
        chain.run(*weeks, **chosen)
        yield chain


@settings(whole_stages, max_examples=70)
@given(drops(), st.sampled_from(KERNELS))
def test_a_drop_of_any_form_comes_out_as_the_reference_has_it(drop: Files, kernel: str) -> None:
    with made({WEEK: drop}, kernel=kernel) as chain:
        assert_follows_reference(chain, {WEEK: drop})


@settings(whole_stages, max_examples=60)
@given(crowded_drops(), crowded_drops(), st.sampled_from(KERNELS))
def test_resends_and_features_of_two_weeks_come_out_as_the_reference_has_them(
    first: Files, second: Files, kernel: str
) -> None:
    weeks = {WEEK: first, NEXT_WEEK: second}
    with made(weeks, kernel=kernel) as chain:
        assert_follows_reference(chain, weeks)


@settings(whole_stages, max_examples=15)
@given(
    drops(),
    st.fixed_dictionaries(
        {
            "window_days_before": st.sampled_from([0, 1, 2, 400, 20_000]),
            "window_days_after": st.sampled_from([0, 8, 30_000]),
            "day_first": st.booleans(),
            "volatile_fields": st.sampled_from([(), ("SeqNo",), ("TimeStamp", "LogTime"), ("é", "Z", "Msg")]),
        }
    ),
)
def test_settings_mean_what_the_reference_means_by_them(drop: Files, chosen: dict[str, Any]) -> None:
    with made({WEEK: drop}, **chosen) as chain:
        assert_follows_reference(
            chain,
            {WEEK: drop},
            days_before=chosen["window_days_before"],
            days_after=chosen["window_days_after"],
            day_first=chosen["day_first"],
            volatile=chosen["volatile_fields"],
        )


@settings(whole_stages, max_examples=15)
@given(drops() | crowded_drops())
def test_every_row_of_the_drop_is_in_one_place_of_the_lake(drop: Files) -> None:
    with made({WEEK: drop}) as chain:
        source = Counter((name, number) for name, content in drop.items() for number in range(len(content)))
        raw, refused = identities(chain.rows("ingest")), identities(chain.quarantine())
        cleaned = chain.rows("clean")
        assert raw + refused == source
        assert identities(cleaned) <= raw
        assert sum(cleaned["copies"].to_pylist() if cleaned.num_columns else []) == raw.total()


@settings(whole_stages, max_examples=15)
@given(drops() | crowded_drops())
def test_a_second_run_changes_nothing_and_a_forced_one_only_the_generation(drop: Files) -> None:
    with made({WEEK: drop}) as chain:
        before = chain.published()
        rows = chain.rows("clean")
        assert [outcome.kind for outcome in chain.run()] == ["unchanged"] * 3
        assert chain.published() == before
        assert [outcome.kind for outcome in chain.run(force=True)] == ["published"] * 3
        assert not set(before.items()) & set(chain.published().items())
        assert chain.rows("clean").equals(rows)


@settings(whole_stages, max_examples=12)
@given(drops() | crowded_drops(), st.randoms(use_true_random=False))
def test_the_same_rows_give_the_same_bytes_whatever_runs_them_and_whatever_form_they_come_in(
    drop: Files, random: Any
) -> None:
    with made({WEEK: drop}, kernel="python") as chain:
        expected = chain.published()
    for chosen in ({"workers": 2, "kernel": KERNELS[-1]}, {"memory_limit": 64 * 1024**2}):
        with made({WEEK: drop}, **chosen) as chain:
            assert chain.published() == expected
    with made({WEEK: {name: rewritten(content, random) for name, content in drop.items()}}) as chain:
        assert chain.published() == expected
    with time_zone("Asia/Kathmandu"), made({WEEK: drop}) as chain:
        assert chain.published() == expected


@settings(whole_stages, max_examples=12)
@given(crowded_drops(), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_only_which_of_equals_stays(drop: Files, random: Any) -> None:
    shuffled = {name: content.take(random.sample(range(len(content)), len(content))) for name, content in drop.items()}
    with made({WEEK: drop}) as one, made({WEEK: shuffled}) as other:
        assert events(one) == events(other)
        assert one.manifest("clean").ledger == other.manifest("clean").ledger
        assert one.manifest("clean").quality.timestamps == other.manifest("clean").quality.timestamps  # type: ignore[union-attr]
        totals = ["service_tag", "total_events", "dominate_week"]
        assert one.device_features().select(totals).equals(other.device_features().select(totals))


def identities(rows: pa.Table) -> Counter[tuple[str, int]]:
    if not rows.num_columns:
        return Counter()
    return Counter(zip(rows["source_file"].to_pylist(), rows["source_row"].to_pylist(), strict=True))


def events(chain: Chain) -> Counter[tuple[Any, ...]]:
    names = ["service_tag", "valid_timestamp", "timestamp_status", "event_key", "copies"]
    return Counter(tuple(found[name] for name in names[:2] + names[3:]) for found in chain.rows("clean").to_pylist())


def rewritten(content: pa.Table, random: Any) -> pa.Table:
    """The same rows, their columns in another order and their strings in another form."""
    names = content.column_names
    if all(is_utf8(column) for column in content.columns):  # the quarantine names the first broken column of a row
        names = random.sample(names, len(names))
    forms = [pa.string(), pa.large_string(), pa.string_view()]
    columns = {}
    for name in names:
        column = content[name]
        if pa.types.is_string(column.type) and is_utf8(column):
            form = random.choice([*forms, "dictionary"])
            column = column.dictionary_encode() if form == "dictionary" else column.cast(form)
        columns[name] = column
    return pa.table(columns)


def is_utf8(column: pa.ChunkedArray) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setitem(os.environ, "TZ", name)
            time.tzset()
            yield
    finally:
        time.tzset()
