"""One row that carries a planted case: what is written, and beside it what was meant by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from services.sample.draws import Pick

Text = str | bytes | None
"""Bytes where a string is broken on purpose."""

CANDIDATES = ("TimeStamp", "LogTime", "ts", "eventdate")
SOURCES = dict(zip(CANDIDATES, ("ev.TimeStamp", "ev.LogTime", "ts", "eventdate"), strict=True))
"""What the contract calls them."""

UNKNOWN = "UNKNOWN"


@dataclass(slots=True)
class Answer:
    """What a right pipeline says of the row; `valid_timestamp` in UTC µs. All None but `reason` in quarantine."""

    pn: str | None
    service_tag: str | None
    is_error: bool | None
    valid_timestamp: int | None
    timestamp_source: str | None = SOURCES["TimeStamp"]
    timestamp_status: str | None = "ok"
    ev_status: str | None = "ok"
    reason: str | None = None


@dataclass(slots=True)
class Draft:
    """A source row; `fields` are those of `ev`, unless `broken_ev` is set and the text is `ev` itself.

    `times` are the true UTC µs of the four candidates, `week` is its first µs, `others` are tags of other devices.
    """

    service_tag: Text
    pn: Text
    cat: Text
    ts: Text
    eventdate: int | None
    os_version: Text
    bios: Text
    fields: dict[str, Any]
    times: dict[str, int]
    week: int
    others: tuple[str, ...]
    answer: Answer
    text: bytes | None = None
    broken_ev: bool = False

    def ev(self) -> bytes | None:
        return self.text if self.broken_ev or self.text is not None else orjson.dumps(self.fields)

    def write(self, text: bytes) -> None:
        """Gives `ev` another spelling of its fields."""
        self.text = text

    def spoil_ev(self, text: bytes | None, status: str) -> None:
        """Makes `ev` something that is not looked into, so that `ts` is the first candidate."""
        self.text, self.broken_ev = text, True
        self.answer.ev_status = status
        self.expect("ts")

    def expect(self, source: str, status: str = "ok") -> None:
        self.expect_time(source, status, self.times[source])

    def expect_time(self, source: str, status: str, time: int) -> None:
        self.answer.timestamp_source, self.answer.timestamp_status = SOURCES[source], status
        self.answer.valid_timestamp = time

    def expect_no_time(self, status: str) -> None:
        self.answer.timestamp_source, self.answer.timestamp_status = None, status
        self.answer.valid_timestamp = None

    def quarantine(self, reason: str) -> None:
        self.answer = Answer(None, None, None, None, None, None, None, reason)

    def put(self, candidate: str, value: Any) -> None:
        match candidate:
            case "ts":
                self.ts = value
            case "eventdate":
                self.eventdate = value
            case _:
                self.fields[candidate] = value

    def drop(self, candidate: str) -> None:
        if candidate in ("ts", "eventdate"):
            self.put(candidate, None)
        else:
            self.fields.pop(candidate, None)


Plant = Callable[[Draft, Pick], None]
GroupPlant = Callable[[Draft, Pick, int], None]
"""Called for the event (0) and each of its guests (1, 2, …); `Pick` makes the same choices for all of them."""


class Rule(NamedTuple):
    """A rule on single rows: rows where it applies and near misses, and the share of each in a drop as in the field."""

    meaning: str
    planted: Plant
    near_miss: Plant
    share: float
    near_share: float


class ResendRule(NamedTuple):
    """A rule on groups of rows of one event; the shares are of groups, `time` is where valid_timestamp comes from."""

    meaning: str
    planted: GroupPlant
    near_miss: GroupPlant
    share: float
    near_share: float
    time: str
