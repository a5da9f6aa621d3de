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
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import orjson
import structlog
from pydantic import ValidationError

from services.contracts import CONTRACT_VERSION, layout
from services.contracts.errors import BadInputError, NotReadyError, TemporaryError
from services.contracts.layout import STAGES, Stage
from services.contracts.manifest import Manifest, Output
from services.lake.claim import Claim, claim_keys, read_claim, swap_claim
from services.lake.parquet import LocalFile
from services.lake.store import Body, ChangedError, Store
from services.lake.write import StartOver, json_body, write_object

log = structlog.get_logger()

_MAX_STARTS = 5
_UPLOADS = 8
"""Objects on their way at once: each is two round trips, and a week may have 2,000."""
_LARGE = 2 * 1024**3
"""Bytes of an object from which the log warns that it grows towards what one PUT takes."""


class Inputs(NamedTuple):
    """What a run reads, before it is read: key, etag and bytes of each object, sorted."""

    objects: tuple[tuple[str, str, int], ...]
    erased: tuple[str, ...] = ()
    """The devices whose rows are left out."""

    def digest(self) -> str:
        """Hex digest of exactly these versions of exactly these objects."""
        return _digest((self.objects, self.erased) if self.erased else self.objects)


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


def fingerprint(job: Job, inputs: Inputs) -> str:
    """Hex digest of all that decides the rows: contract, settings, inputs; no clock, host or attempt."""
    erased = (inputs.erased,) if inputs.erased else ()  # nearly always nothing, and then the digest is as ever
    return _digest((CONTRACT_VERSION, sorted(job.settings.items()), inputs.objects, *erased))


def read_manifest(store: Store, stage: Stage, week: str | None) -> Manifest | None:
    """What is published, or None; BadInputError where the manifest is not one."""
    key = layout.manifest_key(stage, week)
    found = store.get(key)
    if found is None:
        return None
    try:
        return Manifest.from_json(found[0])
    except ValidationError as invalid:
        raise BadInputError(
            f"{store.url}: {key} is not a manifest of this program ({invalid.error_count()} faults in "
            f"{len(found[0])} bytes); move it away and run {stage} again, it is made anew"
        ) from invalid


def publish(store: Store, job: Job, *, force: bool = False) -> Outcome:
    """Bring the lake to what the inputs say, or find that it is there already.

    NotReadyError when the inputs keep changing, TemporaryError when other writers or the store do.
    """
    with store.lock(layout.lock_key(job.stage, job.week)):
        last: Exception | None = None
        for start in range(_MAX_STARTS):
            if start:
                log.info("starting over", reason=str(last), start=start + 1)
                time.sleep(min(2.0**start, 8.0) / 2)
            run = _Run(store, job, force=force, again=start > 0)
            try:
                return run.once()
            except (StartOver, ChangedError) as moved:
                last = moved
                # A forced generation that was claimed is not to be claimed a second time.
                force = force and not run.claimed
    raise _given_up(job, last)


def _given_up(job: Job, last: Exception | None) -> NotReadyError | TemporaryError:
    if not isinstance(last, ChangedError):
        return TemporaryError(
            f"{job.stage}: {_MAX_STARTS} starts were not enough ({last}); another run is at work or the store "
            "refuses writes, run it again later"
        )
    what = f"week {job.week}" if job.week else "a clean week"
    before = STAGES.index(job.stage) - 1
    advice = "wait until its drop is complete" if before < 0 else f"re-run {STAGES[before]}"
    return NotReadyError(
        f"{what} is being republished ({last} changed while it was read); {advice}, then run {job.stage} again"
    )


class _Run:
    """One start of the protocol."""

    def __init__(self, store: Store, job: Job, *, force: bool, again: bool) -> None:
        self._store, self._job, self._force, self._again = store, job, force, again
        self._claim_key = layout.claim_key(job.stage, job.week)
        self.claimed = False

    def once(self) -> Outcome:
        claim, etag = read_claim(self._store, self._claim_key)
        inputs = self._job.read_inputs()
        mark = fingerprint(self._job, inputs)
        manifest = read_manifest(self._store, self._job.stage, self._job.week)
        damage = self._check_lake(claim, etag, manifest)
        settled = manifest is not None and manifest.generation == claim.generation
        ours = claim.fingerprint == mark and not self._force
        if settled and ours and not damage:
            self._require_unmoved(etag)
            return Outcome("unchanged", f"generation {claim.generation} has these inputs and settings", manifest)
        if self._again and _supersedes(claim, mark, inputs):
            self._require_unmoved(etag)
            return Outcome("superseded", f"generation {claim.generation} has these inputs, other settings", manifest)
        if ours and not settled:
            log.info("joining a generation that is not finished", generation=claim.generation)
        else:
            claim = claim.next(mark, inputs.digest(), manifest)
            swap_claim(self._store, self._claim_key, claim, etag)
            self.claimed = True
            log.info("claimed", generation=claim.generation, reason=damage or self._why(mark, manifest))
            if self._job.read_inputs() != inputs:
                raise StartOver("the inputs changed while the run began")
        built = self._job.build(inputs, claim.generation, mark)
        self._check_sizes(built)
        if self._job.read_inputs() != inputs:  # a folder has no If-Match; this is its second look
            raise ChangedError("the input")
        return self._commit(built, claim.generation)

    def _require_unmoved(self, etag: str | None) -> None:
        """StartOver where somebody claimed meanwhile: what was read since then cannot be judged by the old claim.

        A sleeper may have claimed older inputs after our first look, and would write them once we are gone.
        """
        if read_claim(self._store, self._claim_key)[1] != etag:
            raise StartOver("the claim moved")

    def _why(self, mark: str, manifest: Manifest | None) -> str:
        if manifest is None:
            return "not published yet"
        return "forced" if manifest.fingerprint == mark else "inputs, settings or contract changed"

    def _check_lake(self, claim: Claim, etag: str | None, manifest: Manifest | None) -> str | None:
        """How what lies in the lake differs from the manifest; BadInputError for what nobody wrote."""
        prefixes = layout.zone_prefixes(self._job.stage, self._job.week)
        present = {o.key: o.etag for prefix in prefixes for o in self._store.objects(prefix)}
        published = {o.key: o.etag for o in manifest.outputs} if manifest else {}
        strangers = sorted(set(present) - set(published) - set(claim.keys))
        if strangers:
            self._require_unmoved(etag)  # keys are claimed before they are written: a twin's would be in it by now
            raise BadInputError(
                f"{self._store.url}: {', '.join(strangers[:5])}{' …' if len(strangers) > 5 else ''} was not written "
                "by this pipeline and would be read with its data; move it out of the lake, then run again"
            )
        differing = sorted(key for key, etag in published.items() if present.get(key) != etag)
        return f"{differing[0]} is not what was published" if differing else None

    def _check_sizes(self, built: Built) -> None:
        """BadInputError, before anything is written, for a file that the store does not take in one PUT."""
        for key, file in sorted(built.files.items()):
            if self._store.largest_object is not None and file.bytes > self._store.largest_object:
                raise BadInputError(
                    f"{key}: {file.bytes:,} bytes are more than one PUT takes (5 GiB), nothing was published; "
                    "ask the sender to split this product's drop over two weeks' folders"
                )
            if file.bytes >= _LARGE:
                log.warning("an object grows towards what one PUT takes (5 GiB)", key=key, bytes=file.bytes)

    def _commit(self, built: Built, generation: int) -> Outcome:
        """Keys claimed, then each key, then the manifest."""
        keys = claim_keys(self._store, self._claim_key, generation, set(built.files))
        with ThreadPoolExecutor(_UPLOADS) as pool:
            outputs = tuple(pool.map(lambda key: self._put(key, built, generation), keys))
        if read_claim(self._store, self._claim_key)[0].generation != generation:
            # Until here nobody could replace one of them, so they exist together: a manifest may say so.
            raise StartOver("a newer generation was claimed")
        manifest = built.manifest(outputs)
        write_object(
            self._store,
            layout.manifest_key(self._job.stage, self._job.week),
            json_body(manifest.to_json(), generation),
        )
        return Outcome("published", f"generation {generation}", manifest)

    def _put(self, key: str, built: Built, generation: int) -> Output:
        """Bring one key to this generation."""
        file = built.files.get(key) or built.empty(key)
        etag = write_object(self._store, key, Body(file.path, file.sha256, generation))
        return Output(key, etag, file.sha256, file.rows, file.bytes)


def _supersedes(claim: Claim, mark: str, inputs: Inputs) -> bool:
    """Whether a newer claim does our work: our very inputs, under other settings or a newer contract."""
    return claim.inputs == inputs.digest() and claim.fingerprint != mark and claim.contract >= CONTRACT_VERSION


def _digest(value: object) -> str:
    return hashlib.sha256(orjson.dumps(value)).hexdigest()
