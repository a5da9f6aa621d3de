"""The claim of a stage and week: the one object that decides which run may write what."""

from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import orjson
from pydantic import TypeAdapter, ValidationError

from services.contracts import CONTRACT_VERSION
from services.contracts.errors import BadInputError
from services.contracts.manifest import Manifest
from services.lake.store import NotWrittenError, Store
from services.lake.write import StartOver, json_body, persist


@dataclass(frozen=True)
class Claim:
    """Who may write: the newest generation, what it is made of, and every key ever written."""

    generation: int = 0
    fingerprint: str = ""
    inputs: str = ""
    contract: int = CONTRACT_VERSION
    keys: tuple[str, ...] = ()

    def next(self, fingerprint: str, inputs: str, published: Manifest | None) -> "Claim":
        """The claim of a new generation.

        The manifest counts too, because a claim that somebody moved away or restored from a backup
        knows less than what is published.
        """
        newest = max(self.generation, published.generation if published else 0)
        written = {output.key for output in published.outputs} if published else set()
        keys = tuple(sorted(written.union(self.keys)))
        return Claim(newest + 1, fingerprint, inputs, CONTRACT_VERSION, keys)

    def with_keys(self, keys: set[str]) -> "Claim":
        """The same generation, with these keys as well: the union never shrinks."""
        return replace(self, keys=tuple(sorted(keys.union(self.keys))))

    def to_json(self) -> bytes:
        """The claim as indented JSON."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2)


def read_claim(store: Store, key: str) -> tuple[Claim, str | None]:
    """The claim and its etag; an empty claim and None where nothing was ever claimed."""
    found = store.get(key)
    if found is None:
        return Claim(), None
    try:
        return _reader().validate_json(found[0]), found[1]
    except ValidationError as invalid:
        raise BadInputError(
            f"{store.url}: {key} is not a claim of this program ({invalid.error_count()} faults in "
            f"{len(found[0])} bytes); move it away and run again, it is made anew from the manifest"
        ) from invalid


def swap_claim(store: Store, key: str, claim: Claim, expected: str | None) -> None:
    """Replace the claim whose etag is the expected one; StartOver where it moved."""
    content = claim.to_json()

    def write_or_look() -> str:
        try:
            return store.put(key, json_body(content, claim.generation), expected)
        except NotWrittenError:
            there, etag = store.get(key) or (None, None)
            if etag is not None and there == content:  # our own write whose answer was lost, or a twin's equal one
                return etag
            if etag != expected:
                raise StartOver("the claim moved") from None
            raise

    persist(store, key, write_or_look)


def claim_keys(store: Store, key: str, generation: int, keys: set[str]) -> tuple[str, ...]:
    """Add the keys about to be written to the claim; all that were ever claimed, each of which must be written."""
    claim, etag = read_claim(store, key)
    if claim.generation != generation:
        raise StartOver("a newer generation was claimed")
    wider = claim.with_keys(keys)
    if wider != claim:
        swap_claim(store, key, wider, etag)
    return wider.keys


@lru_cache(maxsize=1)
def _reader() -> TypeAdapter[Claim]:
    return TypeAdapter(Claim)
