"""What a person has said of a week: these findings are real growth, not a fault. Recorded in the lake."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache

import orjson
from pydantic import TypeAdapter, ValidationError

from services.contracts import layout
from services.contracts.errors import BadInputError
from services.lake.store import Store
from services.lake.write import json_body, persist


@dataclass(frozen=True)
class Accepted:
    """`_control/accepted/week=W.json`."""

    week: str
    reason: str
    findings: tuple[str, ...]
    """Rule and figure of each, as `Finding.name` says them: what else is found later still counts."""
    at: str
    """When, ISO 8601."""
    generation: int = 1
    """Counts the versions of this record."""


def read_accepted(lake: Store, week: str) -> Accepted | None:
    """What was accepted of a week; BadInputError where the record is not one."""
    return _read(lake, week)[0]


def accept(lake: Store, week: str, reason: str, findings: Iterable[str]) -> Accepted:
    """Record that these findings of the week are real, beside those accepted before; safe to repeat."""
    new = set(findings)
    key = layout.accepted_key(week)
    written: list[Accepted] = []

    def look_and_write() -> str:
        before, etag = _read(lake, week)
        known = set(before.findings) if before else set()
        if before and etag and before.reason == reason and new <= known:
            written.append(before)
            return etag
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        record = Accepted(week, reason, tuple(sorted(known | new)), at, before.generation + 1 if before else 1)
        content = orjson.dumps(asdict(record), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        etag = lake.put(key, json_body(content, record.generation), etag)
        written.append(record)
        return etag

    with lake.lock(layout.accepted_lock_key()):
        persist(lake, key, look_and_write)
    return written[-1]


def _read(lake: Store, week: str) -> tuple[Accepted | None, str | None]:
    key = layout.accepted_key(week)
    found = lake.get(key)
    if found is None:
        return None, None
    try:
        return _reader().validate_json(found[0]), found[1]
    except ValidationError as invalid:
        raise BadInputError(
            f"{lake.url}: {key} is not a record of `eventlog accept` ({invalid.error_count()} faults); move it away "
            "and accept the week again"
        ) from invalid


@lru_cache(maxsize=1)
def _reader() -> TypeAdapter[Accepted]:
    return TypeAdapter(Accepted)
