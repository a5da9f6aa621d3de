"""The devices that were erased: a record in the lake, so that no later run of ingest brings one of them back.

It never holds a service tag in clear, only a hash under the lake's own salt. That keeps the tag from who reads the
file by chance; whoever has both the file and all tags can still find out which one it was.
"""

import datetime as dt
import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import orjson
from pydantic import TypeAdapter, ValidationError

from services.contracts import layout
from services.contracts.errors import BadInputError
from services.contracts.manifest import Manifest
from services.lake.publish import Inputs
from services.lake.store import NotWrittenError, Store
from services.lake.write import json_body, persist

IsErased = Callable[[str], bool]
"""Whether a (trimmed) service tag is that of an erased device."""


@dataclass(frozen=True)
class Erasure:
    """One erased device."""

    device: str
    """The salted hash of its service tag."""
    recorded: str
    not_in: dict[str, str]
    """By week the digest of a drop that was searched and does not hold it: such a week stays as it is."""


@dataclass(frozen=True)
class Erasures:
    """`_control/erasures.json`: what ingest has to leave out."""

    generation: int = 0
    salt: str = ""
    devices: tuple[Erasure, ...] = ()

    def device(self, service_tag: str) -> str:
        """How this record names a device."""
        return hashlib.blake2b(service_tag.encode(), key=bytes.fromhex(self.salt), digest_size=16).hexdigest()

    def due(self, week: str, drop: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """The devices to leave out of a drop, given by key and etag of its files; sorted.

        Those that the drop is known not to hold are no part of it: a week that is not affected keeps its fingerprint.
        """
        digest = drop_digest(drop)
        return tuple(sorted(e.device for e in self.devices if e.not_in.get(week) != digest))

    def matcher(self, devices: Iterable[str]) -> IsErased:
        """Judges service tags; each is hashed once."""
        wanted = frozenset(devices)
        if not wanted:
            return lambda _: False
        return lru_cache(maxsize=1 << 20)(lambda service_tag: self.device(service_tag) in wanted)

    def to_json(self) -> bytes:
        """The record as indented JSON."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def drop_digest(drop: Iterable[tuple[str, str]]) -> str:
    """A short name for exactly these versions of exactly these source files."""
    return hashlib.sha256(orjson.dumps(sorted(drop))).hexdigest()[:16]


def drop_of(ingest: Manifest) -> list[tuple[str, str]]:
    """Key and etag of the source files that a published week was made from."""
    return [(i.key, i.etag) for i in ingest.inputs]


def read_erasures(lake: Store) -> Erasures:
    """The record; an empty one where nothing was ever erased."""
    return _read(lake)[0]


def to_leave_out(erasures: Erasures, week: str, drop: Inputs) -> Inputs:
    """The drop with the devices that are due to be left out of it."""
    return drop._replace(erased=erasures.due(week, [(key, etag) for key, etag, _ in drop.objects]))


def record_erasure(lake: Store, service_tag: str, not_in: Mapping[str, str]) -> Erasures:
    """Add a device to the record, by compare-and-swap; a device that is in it stays as it is."""
    with lake.lock(layout.ERASURES_LOCK):

        def add_or_look() -> str:
            there, etag = _read(lake)
            wider = _with_device(there, service_tag, not_in)
            if wider == there:
                return etag or ""
            try:
                return lake.put(layout.ERASURES, json_body(wider.to_json(), wider.generation), etag)
            except NotWrittenError:
                if _read(lake)[0] == wider:  # our own write, whose answer was lost
                    return ""
                raise

        persist(lake, layout.ERASURES, add_or_look)
    return read_erasures(lake)


def require_known(lake: Store, published: Manifest | None) -> None:
    """BadInputError where a week has left out a device that the record no longer names: it would come back."""
    if not (published and published.drop and published.drop.erased):
        return
    if set(published.drop.erased) - {e.device for e in read_erasures(lake).devices}:
        raise BadInputError(
            f"{lake.url}: {layout.ERASURES} no longer names a device that was erased from week {published.week}, and a "
            "run would bring it back; restore it from a backup or an earlier version, then run again"
        )


def _with_device(there: Erasures, service_tag: str, not_in: Mapping[str, str]) -> Erasures:
    salted = there if there.salt else replace(there, salt=secrets.token_hex(16))
    device = salted.device(service_tag)
    if any(e.device == device for e in there.devices):
        return there
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    added = (*there.devices, Erasure(device, now, dict(not_in)))
    return replace(salted, generation=there.generation + 1, devices=added)


def _read(lake: Store) -> tuple[Erasures, str | None]:
    found = lake.get(layout.ERASURES)
    if found is None:
        return Erasures(), None
    try:
        return _reader().validate_json(found[0]), found[1]
    except ValidationError as invalid:
        raise BadInputError(
            f"{lake.url}: {layout.ERASURES} is not a record of this program ({invalid.error_count()} faults in "
            f"{len(found[0])} bytes); without it erased devices would come back: restore it from a backup"
        ) from invalid


@lru_cache(maxsize=1)
def _reader() -> TypeAdapter[Erasures]:
    return TypeAdapter(Erasures)
