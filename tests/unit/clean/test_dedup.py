"""Which of the rows of one event stays. Each table is drawn as it is judged: `*` marks the row that stays."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from services.clean.dedup import judge

NAMES = ("service_tag", "event_key", "second", "pn", "source_file", "source_row", "payload_hash")
START = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)


def rows_of(*rows):
    """Rows of (tag, key, second or None, pn, file, row[, payload])."""
    columns = {name: [(*row, None)[place] for row in rows] for place, name in enumerate(NAMES)}
    times = [None if second is None else START + dt.timedelta(seconds=second) for second in columns["second"]]
    payloads = [None if text is None else text.encode().ljust(16) for text in columns["payload_hash"]]
    return pa.table(
        {
            "service_tag": pa.array(columns["service_tag"], pa.string()),
            "event_key": pa.array(columns["event_key"], pa.string()),
            "key_hash": pa.array(
                [xxh3_64_intdigest((key or "").encode()) for key in columns["event_key"]], pa.uint64()
            ),
            "valid_timestamp": pa.array(times, pa.timestamp("us", "UTC")),
            "is_unknown": pa.array([pn == "UNKNOWN" for pn in columns["pn"]], pa.bool_()),
            "source_file": pa.array(columns["source_file"], pa.string()).dictionary_encode(),
            "source_row": pa.array(columns["source_row"], pa.int64()),
            "payload_hash": pa.array(payloads, pa.binary(16)),
        }
    )


def drawn(table):
    """`(rows, marks)` of a table drawn as text; `-` is null."""
    lines = [line.split() for line in table.strip().splitlines()]
    cells = [[None if cell == "-" else cell for cell in line] for line in lines]
    rows = [
        (tag, key, None if at is None else int(at), pn, file, int(row), *payload)
        for _, tag, key, at, pn, file, row, *payload in cells
    ]
    return rows, [line[0] for line in lines]


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(
            """
            .  T1 K 2 I13 a 0
            *  T1 K 1 I13 a 1
            .  T1 K 3 I13 a 2
            """,
            id="the earliest stays",
        ),
        pytest.param(
            """
            .  T1 K 2 I13     a 0
            *  T1 K 1 UNKNOWN z 9
            """,
            id="the earliest stays though its pn is lost",
        ),
        pytest.param(
            """
            .  T1 K 1 UNKNOWN a 0
            *  T1 K 1 I13     b 5
            .  T1 K 1 UNKNOWN a 1
            """,
            id="of equal times one with a pn stays",
        ),
        pytest.param(
            """
            .  T1 K 1 I13 b 0
            *  T1 K 1 I14 a 7
            .  T1 K 1 I12 é 0
            """,
            id="then the smallest file by bytes",
        ),
        pytest.param(
            """
            .  T1 K 1 I12 a 10
            *  T1 K 1 I13 a 9
            """,
            id="then the smallest row by number",
        ),
        pytest.param(
            """
            *  T1 K 1 I13 a 0
            *  T2 K 1 I13 a 1
            *  t1 K 1 I13 a 2
            """,
            id="devices have nothing to do with each other",
        ),
        pytest.param(
            """
            *  T1 K 1 I13 a 0
            *  T1 k 1 I13 a 1
            *  T1 L 1 I13 a 2
            """,
            id="nor have keys",
        ),
        pytest.param(
            """
            *  T1 - 1 I13 a 0
            *  T1 - 1 I13 a 1
            *  T1 K - I13 a 2
            *  T1 K - I13 a 3
            *  T1 K 1 I13 a 4
            """,
            id="rows without key or time are never merged",
        ),
    ],
)
def test_the_smallest_row_of_an_event_stays(table):
    rows, marks = drawn(table)
    for order in (rows, rows[::-1]):
        expected = [mark == "*" for mark in (marks if order is rows else marks[::-1])]
        verdict = judge(rows_of(*order))
        assert verdict.kept.tolist() == expected


def test_copies_and_survivors_say_what_was_merged():
    rows = [
        ("T1", "K", 1, "I13", "a", 0),
        ("T1", "L", 1, "I13", "a", 1),
        ("T1", "K", 0, "I13", "a", 2),
        ("T1", "K", 2, "I13", "a", 3),
    ]
    verdict = judge(rows_of(*rows))
    assert verdict.kept.tolist() == [False, True, True, False]
    assert verdict.copies[verdict.kept].tolist() == [1, 3]
    assert verdict.survivor.tolist() == [2, 1, 2, 2]


@pytest.mark.parametrize(
    ("payloads", "is_conflict"),
    [
        (("p", "p"), False),
        (("p", "q"), True),
        (("p", None), False),
        ((None, None), False),
        (("p", "p", "q"), True),
        (("p",), False),
    ],
)
def test_conflicts_are_merged_rows_of_differing_payload(payloads, is_conflict):
    rows = [("T1", "K", 1, "I13", "a", place, payload) for place, payload in enumerate(payloads)]
    other = [("T1", "L", 1, "I13", "b", 0, "x"), ("T2", "K", 1, "I13", "b", 1, "y")]
    verdict = judge(rows_of(*other, *rows))
    assert verdict.conflicts.tolist() == [False, False, is_conflict] + [False] * (len(rows) - 1)


@pytest.mark.parametrize("rows", [[], [("T1", "K", 1, "I13", "a", 0)], [("T1", None, None, "I13", "a", 0)] * 3])
def test_nothing_to_merge(rows):
    verdict = judge(rows_of(*rows))
    assert verdict.kept.all()
    assert verdict.copies.tolist() == [1] * len(rows)
    assert not verdict.conflicts.any()


ROW = st.tuples(
    st.sampled_from(["T1", "T2"]),
    st.sampled_from(["K", "L", None]),
    st.sampled_from([0, 1, None]),
    st.sampled_from(["I13", "I14", "UNKNOWN"]),
    st.sampled_from(["a", "b", "\uffff", "\U0001f4bb"]),
    st.integers(0, 30),
    st.sampled_from(["p", "q", None]),
)


@given(st.lists(ROW, max_size=30, unique_by=lambda row: row[4:6]), st.integers(1, 5), st.booleans())
def test_judged_as_one_would_by_hand(rows, chunk, hashes_collide):
    groups = {}
    for place, (tag, key, second, pn, file, number, payload) in enumerate(rows):
        if key is not None and second is not None:
            groups.setdefault((tag, key), []).append((second, pn == "UNKNOWN", file.encode(), number, place, payload))
    kept, conflicts = [True] * len(rows), [False] * len(rows)
    copies, survivor = [1] * len(rows), list(range(len(rows)))
    for group in groups.values():
        winner = min(group)[4]
        conflicts[winner] = len({payload for *_, payload in group if payload}) > 1
        copies[winner] = len(group)
        for *_, place, _ in group:
            kept[place] = place == winner
            survivor[place] = winner
    table = rows_of(*rows)
    if hashes_collide:
        place = table.column_names.index("key_hash")
        table = table.set_column(place, "key_hash", pa.array([7] * len(rows), pa.uint64()))
    parts = pa.concat_tables([table.slice(start, chunk) for start in range(0, len(rows), chunk)] or [table])
    verdict = judge(parts)
    assert verdict.kept.tolist() == kept
    assert verdict.survivor.tolist() == survivor
    assert verdict.copies[verdict.kept].tolist() == [n for n, stays in zip(copies, kept, strict=True) if stays]
    assert verdict.conflicts.tolist() == conflicts
    assert verdict.copies.dtype == np.int32
