"""What makes two rows the same event: its identity on its device, from the event's own content."""

import re
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any

import orjson
from xxhash import xxh3_64_intdigest, xxh3_128_digest

from services.contracts.text import WHITE_SPACE

_CONTENT_HASH = re.compile("[0-9a-f]{32}")


def present(value: object) -> bool:
    """Whether a field says anything: it is there, not null, not a blank string."""
    return bool(value.strip(WHITE_SPACE)) if isinstance(value, str) else value is not None


def canonical(values: Iterable[object]) -> Iterator[bytes]:
    """Canonical JSON of each value: UTF-8, keys sorted by code point at every level, no white space."""
    return map(orjson.dumps, values, repeat(None), repeat(orjson.OPT_SORT_KEYS))


def content_hashes(events: list[dict[str, Any]], volatile: Iterable[str]) -> list[bytes]:
    """XXH3-128 of each event without its volatile top-level fields, which it loses.

    Field by field and step by step: a call for each event took as long as its hash and its JSON together.
    """
    for name in volatile:
        for event in events:
            event.pop(name, None)
    return list(map(xxh3_128_digest, canonical(events)))


def id_key(event_id: object) -> str:
    """An EventId as a key: a string as it is, anything else as its canonical JSON."""
    return event_id if isinstance(event_id, str) else next(canonical([event_id])).decode()


def key_hash(key: str) -> int:
    """64 bits by which equal keys are found: the first of a content hash (or of what looks like one), else XXH3-64."""
    return int(key[:16], 16) if _CONTENT_HASH.fullmatch(key) else xxh3_64_intdigest(key.encode())
