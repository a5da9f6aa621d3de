"""The one way a file becomes visible: claim a generation, build, claim the keys, put each, manifest last.

Writers may be killed, run twice at once, or sleep for hours and wake in the middle; the source may change
under them. The lake still never settles in a mixed or older state, because

* a generation is claimed by compare-and-swap, and the inputs are read again afterwards;
* every key is claimed before it is written, so that a later writer also covers what a sleeper may create;
* each object carries its generation, and a PUT names the etag of the older object that it replaces;
* a key without rows becomes a file without rows: nothing is ever deleted.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import orjson
import structlog

from services.contracts import CONTRACT_VERSION, layout
from services.contracts.errors import BadInputError, NotReadyError, TemporaryError
from services.contracts.layout import Stage
from services.contracts.manifest import Manifest, Output
from services.lake.parquet import LocalFile
from services.lake.store import Body, ChangedError, NotWrittenError, Store

log = structlog.get_logger()

_MAX_STARTS = 5
_MAX_LOOKS = 12
"""Looks at one key before giving up: a store that never says whether a write took effect is down."""


class Inputs(NamedTuple):
    """What a run reads, before it is read: key, etag and bytes of each object, sorted."""

    objects: tuple[tuple[str, str, int], ...]

    def digest(self) -> str:
        """Hex digest of exactly these versions of exactly these objects."""
        return _digest(self.objects)


@dataclass(frozen=True)
class Claim:
    """Who may write: the newest generation, what it is made of, and every key ever written."""

    generation: int = 0
    fingerprint: str = ""
    inputs: str = ""
    contract: int = CONTRACT_VERSION
    keys: tuple[str, ...] = ()


class Built(NamedTuple):
    """Audited files on local disk, and how to finish."""

    files: Mapping[str, LocalFile]
    empty: Callable[[str], LocalFile]
    """Makes the file without rows for a key that has none now."""
    manifest: Callable[[tuple[Output, ...]], Manifest]


class Job(NamedTuple):
    """One stage's part of a run."""

    stage: Stage
    week: str | None
    settings: Mapping[str, Any]
    """The settings that change bytes."""
    read_inputs: Callable[[], Inputs]
    build: Callable[[Inputs, int, str], Built]
    """Inputs, generation, fingerprint → files on local disk. ChangedError where an input changed meanwhile."""


class Outcome(NamedTuple):
    """How a run ended; all of these are good."""

    kind: Literal["published", "unchanged", "superseded"]
    reason: str
    manifest: Manifest | None


class _StartOver(Exception):
    """Somebody else moved on; look at everything again."""


def fingerprint(job: Job, inputs: Inputs) -> str:
    """Hex digest of all that decides the rows: contract, settings, inputs; no clock, host or attempt."""
    return _digest((CONTRACT_VERSION, sorted(job.settings.items()), inputs.objects))


def read_manifest(store: Store, stage: Stage, week: str | None) -> Manifest | None:
    """What is published, or None."""
    found = store.get(layout.manifest_key(stage, week))
    return Manifest.from_json(found[0]) if found else None


def publish(
    store: Store, job: Job, *, force: bool = False, sleep: Callable[[float], None] = time.sleep
) -> Outcome:
    """Bring the lake to what the inputs say, or find that it is there already.

    NotReadyError when the inputs keep changing, TemporaryError when other writers or the store do.
    """
    with store.lock(layout.lock_key(job.stage, job.week)):
        last: Exception | None = None
        for start in range(_MAX_STARTS):
            if start:
                log.info("starting over", reason=str(last), start=start + 1)
                sleep(min(2.0**start, 8.0) / 2)
            run = _Run(store, job, force=force, again=start > 0)
            try:
                return run.once()
            except (_StartOver, ChangedError) as moved:
                last = moved
                # A forced generation that was claimed is not to be claimed a second time.
                force = force and not run.claimed
    if isinstance(last, ChangedError):
        what = f"week {job.week}" if job.week else "a clean week"
        advice = "wait for its drop to be complete" if job.stage == "ingest" else "re-run the stage before"
        raise NotReadyError(f"{what} is being republished ({last} changed while it was read); {advice}, then run again")
    raise TemporaryError(f"{job.stage}: other writers kept moving on ({last}); run it again")


class _Run:
    """One start of the protocol."""

    def __init__(self, store: Store, job: Job, *, force: bool, again: bool) -> None:
        self._store, self._job, self._force, self._again = store, job, force, again
        self._claim_key = layout.claim_key(job.stage, job.week)
        self.claimed = False

    def once(self) -> Outcome:
        claim, etag = self._read_claim()
        inputs = self._job.read_inputs()
        mark = fingerprint(self._job, inputs)
        manifest = read_manifest(self._store, self._job.stage, self._job.week)
        damage = self._check_lake(claim, manifest)
        settled = manifest is not None and manifest.generation == claim.generation
        if settled and claim.fingerprint == mark and not self._force and not damage:
            return Outcome("unchanged", f"inputs, settings and contract are those of generation {claim.generation}", manifest)
        if self._again and claim.inputs == inputs.digest() and claim.fingerprint != mark:
            return Outcome("superseded", f"generation {claim.generation} has these inputs under other settings", manifest)
        if claim.fingerprint == mark and not settled and not self._force:
            log.info("joining a generation that is not finished", generation=claim.generation)
        else:
            claim = self._claim_generation(claim, etag, mark, inputs)
            log.info("claimed", generation=claim.generation, reason=damage or self._why(claim, manifest))
            if self._job.read_inputs() != inputs:
                raise _StartOver("the inputs changed while the run began")
        built = self._job.build(inputs, claim.generation, mark)
        if self._job.read_inputs() != inputs:  # a folder has no If-Match; this is its second look
            raise ChangedError("the input")
        keys = self._claim_keys(claim.generation, built)
        outputs = tuple(self._put(key, built, claim.generation) for key in keys)
        return Outcome("published", f"generation {claim.generation}", self._put_manifest(built, outputs, claim.generation))

    def _why(self, claim: Claim, manifest: Manifest | None) -> str:
        if manifest is None:
            return "not published yet"
        return "forced" if self._force and manifest.fingerprint == claim.fingerprint else "inputs, settings or contract changed"

    def _read_claim(self) -> tuple[Claim, str | None]:
        found = self._store.get(self._claim_key)
        if found is None:
            return Claim(), None
        content = orjson.loads(found[0])
        return Claim(**{**content, "keys": tuple(content["keys"])}), found[1]

    def _check_lake(self, claim: Claim, manifest: Manifest | None) -> str | None:
        """How what lies in the lake differs from the manifest; BadInputError for what nobody wrote."""
        prefixes = layout.zone_prefixes(self._job.stage, self._job.week)
        present = {o.key: o.etag for prefix in prefixes for o in self._store.objects(prefix)}
        published = {o.key: o.etag for o in manifest.outputs} if manifest else {}
        strangers = sorted(set(present) - set(published) - set(claim.keys))
        if strangers:
            raise BadInputError(
                f"{self._store.url}: {', '.join(strangers[:5])}{' …' if len(strangers) > 5 else ''} was not written "
                "by this pipeline and would be read with its data; move it out of the lake, then run again"
            )
        differing = sorted(key for key, etag in published.items() if present.get(key) != etag)
        return f"{differing[0]} is not what was published" if differing else None

    def _claim_generation(self, claim: Claim, etag: str | None, mark: str, inputs: Inputs) -> Claim:
        mine = Claim(claim.generation + 1, mark, inputs.digest(), CONTRACT_VERSION, claim.keys)
        self._swap_claim(mine, etag)
        self.claimed = True
        return mine

    def _claim_keys(self, generation: int, built: Built) -> list[str]:
        """Add the keys about to be written to the claim; all keys ever claimed are written."""
        for _ in range(_MAX_LOOKS):
            claim, etag = self._read_claim()
            if claim.generation != generation:
                raise _StartOver("a newer generation was claimed")
            keys = tuple(sorted({*claim.keys, *built.files}))
            if keys == claim.keys:
                return list(keys)
            try:
                self._swap_claim(Claim(generation, claim.fingerprint, claim.inputs, claim.contract, keys), etag)
            except _StartOver:
                continue
            return list(keys)
        raise _StartOver("the claim kept moving")

    def _swap_claim(self, claim: Claim, etag: str | None) -> None:
        content = orjson.dumps(asdict(claim), option=orjson.OPT_INDENT_2)
        try:
            self._store.put(self._claim_key, _body(content, claim.generation), etag)
        except NotWrittenError:
            found = self._store.get(self._claim_key)
            # Our own write whose answer was lost, or a twin's equal one: the same thing.
            if found is None or found[0] != content:
                raise _StartOver("the claim moved") from None

    def _put(self, key: str, built: Built, generation: int) -> Output:
        """Bring one key to this generation."""
        file = built.files.get(key) or built.empty(key)
        etag = self._write(key, Body(file.path, file.sha256, generation))
        return Output(key, etag, file.sha256, file.rows, file.bytes)

    def _put_manifest(self, built: Built, outputs: tuple[Output, ...], generation: int) -> Manifest:
        manifest = built.manifest(outputs)
        self._write(layout.manifest_key(self._job.stage, self._job.week), _body(manifest.to_json(), generation))
        return manifest

    def _write(self, key: str, body: Body) -> str:
        for look in range(_MAX_LOOKS):
            head = self._store.head(key)
            if head and head.generation is not None and head.generation > body.generation:
                raise _StartOver(f"{key} is newer")
            if head and head.generation == body.generation:
                return head.etag
            try:
                return self._store.put(key, body, head.etag if head else None)
            except NotWrittenError:
                if look > 2:
                    time.sleep(min(0.1 * 2**look, 5.0))
        raise TemporaryError(f"{self._store.url}: {key} could not be written in {_MAX_LOOKS} tries; run it again later")


def _body(content: bytes, generation: int) -> Body:
    return Body(content, hashlib.sha256(content).hexdigest(), generation)


def _digest(value: object) -> str:
    return hashlib.sha256(orjson.dumps(value)).hexdigest()

