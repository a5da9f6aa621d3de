"""What makes two rows the same event: its identity on its device, from the event's own content."""

from collections.abc import Iterable
from typing import Any

import orjson
import xxhash

from services.contracts.text import WHITE_SPACE


def present(value: object) -> bool:
    """Whether a field says anything: it is there, not null, not a blank string."""
    return bool(value.strip(WHITE_SPACE)) if isinstance(value, str) else value is not None


def canonical(value: object) -> bytes:
    """Canonical JSON: UTF-8, keys sorted by code point at every level, no white space."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def content_hash(event: dict[str, Any], volatile: Iterable[str]) -> xxhash.xxh3_128:
    """XXH3-128 of an event without its volatile top-level fields, which it loses."""
    for name in volatile:
        event.pop(name, None)
    return xxhash.xxh3_128(canonical(event))


def id_key(event_id: object) -> str:
    """An EventId as a key: a string as it is, anything else as its canonical JSON."""
    return event_id if isinstance(event_id, str) else canonical(event_id).decode()
