"""`explain` tells the story of a device's rows, and it is the story that clean published."""

import pytest

from services.clean.explain import explain, show
from services.contracts.errors import NotReadyError, UsageError
from services.control.terminal import emit
from services.lake.store import open_store
from tests.drops import TEN, WEEK, ev, row, table

_FUTURE = "2099-01-01T00:00:00Z"


@pytest.fixture
def events(chain):
    """T1: an event, its re-send that lost its pn, one with a clock fault, one without anything; and another device."""
    chain.drop(
        {
            "a.parquet": table(
                row(ev=ev(TimeStamp=TEN, EventId=7, SeqNo=1)),
                row(pn=None, ev=ev(TimeStamp=TEN, EventId=7, SeqNo=2)),
                row(ev=ev(TimeStamp=_FUTURE, LogTime=" "), ts="soon", eventdate=1_715_162_400_000_000_000),
                row(ev=None),
                row(tag="T2"),
            )
        }
    )
    chain.run()
    return explain(chain.settings(), open_store(str(chain.lake)), "T1")


def test_every_raw_row_of_the_device_is_there(events):
    assert sorted(event.identity.source_row for event in events) == [0, 1, 2, 3]


def test_a_resend_says_what_it_was_merged_into(events):
    kept, merged = (next(e for e in events if e.identity.source_row == at) for at in (0, 1))
    assert (kept.copies, kept.merged_into) == (2, None)
    assert (merged.copies, merged.merged_into) == (0, kept.identity)
    assert merged.event_key == kept.event_key


def test_each_candidate_says_why_it_was_taken_or_not(events):
    event = next(e for e in events if e.identity.source_row == 2)
    told = {candidate.name: candidate.verdict for candidate in event.candidates}
    assert told == {
        "ev.TimeStamp": "outside 2023-04-06T00:00:00Z – 2024-05-18T00:00:00Z",
        "ev.LogTime": "blank, counts as not there",
        "ts": "not a time in any form of the contract",
        "eventdate": "taken",
    }
    assert (event.valid_timestamp, event.timestamp_status) == (TEN, "fallback")


def test_the_story_is_the_one_that_clean_published(chain, events):
    published = {
        (r["source_file"], r["source_row"]): (r["event_key"], r["timestamp_status"], r["copies"])
        for r in chain.rows("clean").to_pylist()
        if r["service_tag"] == "T1"
    }
    told = {
        (e.identity.source_file, e.identity.source_row): (e.event_key, e.timestamp_status, e.copies)
        for e in events
        if not e.merged_into
    }
    assert told == published


def test_it_can_be_read_in_a_terminal(events, capsys):
    emit(*show(events))
    shown = capsys.readouterr().out
    assert "merged into pn I13, a.parquet row 0" in shown
    assert "stays, and stands for 2 raw rows" in shown


@pytest.mark.usefixtures("events")
def test_an_unknown_device_and_an_unknown_week_are_refused(chain):
    lake = open_store(str(chain.lake))
    with pytest.raises(UsageError, match="'t1' has no raw event"):
        explain(chain.settings(week=WEEK), lake, "t1")
    with pytest.raises(NotReadyError, match="run ingest"):
        explain(chain.settings(week="2024-06-07"), lake, "T1")
