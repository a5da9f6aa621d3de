"""What lies in a lake, wherever it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from tests.containers import Bucket
from tests.drops import ZONES, Chain


class Golden(NamedTuple):
    """A local run, and its data files' hashes by key."""

    chain: Chain
    hashes: Mapping[str, str]


def published(bucket: Bucket, lake: str = "lake/") -> dict[str, str]:
    """The SHA-256 of every object under the zones, by its key in the lake."""
    keys = [key for zone in ZONES for key in bucket.names(f"{lake}{zone}/")]
    return {key.removeprefix(lake): hashlib.sha256(bucket.read(key)).hexdigest() for key in keys}
