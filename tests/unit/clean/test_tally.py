"""Counting rows by what became of them."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from services.clean.dedup import Verdict
from services.clean.events import read_events_python, window_rules
from services.clean.tally import Tally, is_error
from services.contracts.manifest import Counts, Figures, UnusableTime
from tests.drops import TEN, WEEK, ev

RULES = window_rules(WEEK, before=400, after=8, day_first=False, volatile=())
EVENTS = [
    (ev(TimeStamp=TEN, EventId=1), None),
    (ev(TimeStamp="2099-01-01", LogTime=TEN), None),
    (ev(TimeStamp="x"), "1601-01-01"),
    ("x", None),
    (None, TEN),
]


def read(rows, *files):
    """The rows with what their events say, and the unusable candidates."""
    table = pa.table(
        {
            "ev": pa.array([event for event, _ in rows], pa.string()),
            "ts": pa.array([ts for _, ts in rows], pa.string()),
            "eventdate": pa.nulls(len(rows), pa.int64()),
        }
    )
    events = read_events_python(table, RULES)
    named = pa.array(files, pa.string()).dictionary_encode()
    return events.columns.append_column("source_file", named), Counter(events.unusable)


def files_of(*names):
    return pa.chunked_array([pa.array(names, pa.string()).dictionary_encode()])


def test_raw_rows_are_counted_by_pn_file_status_and_year():
    tally = Tally(["A", "B", "empty"])
    rows, unusable = read([*EVENTS, EVENTS[0]], *"aabbbb")
    tally.saw_raw(["A", "B"], np.array([0, 0, 0, 0, 0, 1]), rows, unusable)
    quality = tally.quality()
    one = Counts(raw_rows=5, missing_timestamp=1, invalid_timestamp=2, missing_event_id=4, ev_unparsable=1)
    assert quality.counts_by_pn == {"A": one, "B": Counts(raw_rows=1), "empty": Counts()}
    assert quality.counts == one + Counts(raw_rows=1)
    assert quality.figures == Figures.of(quality.counts)
    assert quality.counts_by_file == {
        "a": Counts(raw_rows=2, invalid_timestamp=1, missing_event_id=1),
        "b": Counts(raw_rows=4, missing_timestamp=1, invalid_timestamp=1, missing_event_id=3, ev_unparsable=1),
    }
    assert quality.timestamps == {
        "none": {"invalid": 1, "missing": 1},
        "ev.TimeStamp": {"ok": 2},
        "ev.LogTime": {"fallback": 1},
        "ts": {"ok": 1},
    }
    assert quality.unusable_times == (
        UnusableTime("ev.TimeStamp", 2099, 1),
        UnusableTime("ev.TimeStamp", None, 1),
        UnusableTime("ts", 1601, 1),
    )
    assert quality.ev_statuses == {
        "null": 1,
        "too_big": 0,
        "too_deep": 0,
        "not_json": 1,
        "not_object": 0,
        "ok": 4,
    }


def test_judged_rows_are_counted_under_their_own_pn():
    tally = Tally(["A", "B"])
    rows = pa.table(
        {
            "cat": pa.array(["Error", " critical", None, "Error"]).dictionary_encode(),
            "valid_timestamp": pa.array([1, None, 2, 3], pa.timestamp("us", "UTC")),
            "source_file": files_of("a", "a", "a", "b"),
        }
    )
    kept = np.array([True, True, True, False])
    conflicts = np.array([True, False, False, False])
    judged = Verdict(kept, copies=np.ones(4, np.int32), survivor=np.arange(4), conflicts=conflicts)
    tally.saw_verdict(["A", "B"], np.array([0, 0, 1, 1]), rows, judged)
    assert tally.quality().counts_by_pn == {
        "A": Counts(clean_rows=2, valid_timestamp=1, errors=2, event_id_conflicts=1),
        "B": Counts(clean_rows=1, resends=1, valid_timestamp=1),
    }
    assert tally.quality().counts_by_file["b"] == Counts(resends=1)


def test_threads_lose_no_count():
    tally = Tally(["A"])
    events = read(EVENTS, *"aabbb")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: tally.saw_raw(["A"], np.zeros(5, dtype=np.int64), *events), range(200)))
    assert tally.quality().counts.raw_rows == 1_000
    assert sum(sum(by_status.values()) for by_status in tally.quality().timestamps.values()) == 1_000


def test_is_error_judges_each_category_once_and_takes_null_and_any_chunks():
    parts = [["Error", None], [], ["Warning", "CRITICAL "]]
    cat = pa.chunked_array([pa.array(part, pa.string()).dictionary_encode() for part in parts])
    assert is_error(cat).tolist() == [True, False, False, True]
    assert is_error(cat.slice(0, 0)).tolist() == []
