"""A small drop in which each rule of the heart decides something. Its bytes are recorded in tests/golden: leave it."""

from __future__ import annotations

from tests.drops import NEXT_WEEK, WEEK, Files, ev, row, table

TEN = "2024-05-08T10:00:00Z"
_LAST_MOMENT = "2024-05-18T00:00:00Z"
"""The end of WEEK's window, included."""


def drops() -> dict[str, Files]:
    """Two weeks: the first for the heart of clean, both for the features."""
    return {
        WEEK: {"b.parquet": table(*_second_file()), "a.parquet": table(*_first_file())},
        NEXT_WEEK: _another_week(),
    }


def _first_file() -> list[dict[str, object]]:
    return [
        # Which candidate is asked first.
        row(
            "priority",
            ev=ev(LogTime="2024-05-07T08:00:00Z", EventId=1),
            ts="2024-05-08T09:00:00Z",
            eventdate=0,
        ),
        row("priority", ev=ev(TimeStamp="1999-01-01", LogTime="2024-05-07", EventId=2), ts=TEN),
        # Both ends of the window.
        row("window", ev=ev(TimeStamp=_LAST_MOMENT, Edge="last")),
        row("window", ev=ev(TimeStamp="2023-04-06T00:00:00Z", Edge="first")),
        # Re-sends: volatile fields and the order of keys say nothing, a lost pn merges, ties go by file, then row.
        row(
            "resend",
            ev=ev(TimeStamp=TEN, EventId=3, SeqNo=1, LogTime="2024-05-08", UploadTime=1, BatchId="x"),
        ),
        row(
            "resend",
            ev=ev(LogTime="2024-05-09", UploadTime=2, BatchId="y", SeqNo=2, EventId=3, TimeStamp=TEN),
        ),
        row("unknown", pn=None, ev=ev(TimeStamp=TEN, EventId=4)),
        row("unknown", pn="I13", ev=ev(TimeStamp=TEN, EventId=4)),
        row("by row", pn="I14", ev=ev(TimeStamp=TEN, EventId=5)),
        row("by row", pn="I13", ev=ev(TimeStamp=TEN, EventId=5)),
        row("by file", pn="I14", ev=ev(TimeStamp=TEN, EventId=6)),
        # Errors at uneven intervals, and a tie between products.
        row("errors", pn="I13", cat="Error", ev=ev(TimeStamp="2024-05-01T00:00:00Z")),
        row("errors", pn="I13", cat="Error", ev=ev(TimeStamp="2024-05-01T00:00:10Z")),
        row("errors", pn="I14", cat="Critical", ev=ev(TimeStamp="2024-05-01T00:01:00Z")),
        row("errors", pn="I14", cat="Warning", ev=ev(TimeStamp="2024-05-01T00:02:00Z")),
        # Rows that are no events, and a row that is none.
        row("broken", ev="{", ts=TEN),
        row("broken", ev=None, eventdate=1_715_162_400_000_000_000),
        row(None),
    ]


def _second_file() -> list[dict[str, object]]:
    return [
        row("by file", pn="I13", ev=ev(TimeStamp=TEN, EventId=6)),
        row("resend", ev=ev(TimeStamp=TEN, EventId=3, SeqNo=9)),
        row("conflict", ev=ev(EventId="E", Msg=1), ts=TEN),
        row("conflict", ev=ev(EventId="E", Msg=2), ts="2024-05-08T09:59:59Z"),
    ]


def _another_week() -> Files:
    return {"a.parquet": table(row("errors", pn="UNKNOWN", cat="error", ev=ev(TimeStamp="2024-05-15")), row("late"))}
