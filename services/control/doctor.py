"""Is a lake fit to be trusted? Asked of the store itself, with one small object below `_control/tmp`.

A store that answers one of the conditional writes differently can lose or mix generations, quietly.
"""

import base64
import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table

from services.contracts import layout
from services.contracts.errors import UsageError
from services.control.terminal import table
from services.lake.local import LocalStore
from services.lake.store import Store, is_there, open_store
from services.lake.weeks import strangers
from services.runtime.settings import Settings, masked

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from services.lake.s3 import S3Store

_RACERS = 16
_CLOCK_SECONDS = 60.0
"""Signatures are refused beyond 15 minutes; settle_seconds goes wrong long before."""
_ROOM = 2 * 1024**3
_PROBE = f"{layout.TEMPORARY}/doctor-probe"


class Check(NamedTuple):
    """One question, and what the store said to it."""

    question: str
    good: bool
    seen: str


def doctor(settings: Settings) -> list[Check]:
    """Ask everything; UsageError where the lake cannot even be opened."""
    there = is_there(settings.lake)
    lake = open_store(settings.lake, create=True)
    if isinstance(lake, LocalStore):
        checks = [Check("is there", good=True, seen="yes" if there else f"no, it was made: {lake.root}")]
        checks += _ask_folder(lake)
    else:
        from services.lake.s3 import S3Store

        assert isinstance(lake, S3Store)
        checks = list(_ask_bucket(lake))
    checks.append(_ask_zones(lake))
    if settings.pushgateway:
        checks.append(_ask_gateway(settings.pushgateway))
    return checks


def show(checks: list[Check]) -> Table:
    made = table(None, "", "question", "seen", left=("",), prose=("question", "seen"))
    for check in checks:
        made.add_row("ok" if check.good else "NO", check.question, check.seen)
    return made


def exit_code(checks: list[Check]) -> int:
    return 0 if all(check.good for check in checks) else UsageError.exit_code


def _ask_zones(lake: Store) -> Check:
    others = strangers(lake)
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    seen = f"no: {others[0]}{more}; move what is not the pipeline's out of the lake" if others else "yes"
    return Check("its zones hold only what this pipeline wrote", good=not others, seen=seen)


def _ask_folder(lake: LocalStore) -> Iterator[Check]:
    folder = lake.root / layout.TEMPORARY / f"doctor-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True)
        yield from _ask_files(folder)
    except OSError as refused:
        yield Check("can be written", good=False, seen=f"{refused.filename}: {refused.strerror}")
        return
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seen = "yes: a drop with two pn that differ only in case will be refused" if lake.folds_case() else "no"
    yield Check("folds upper and lower case", good=True, seen=seen)
    free = shutil.disk_usage(lake.root).free
    yield Check(f"has room ({_ROOM / 1e9:.0f} GB or more)", good=free >= _ROOM, seen=f"{free / 1e9:.1f} GB free")


def _ask_files(folder: Path) -> Iterator[Check]:
    old, new = folder / "old", folder / "new"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    yield Check("can be written", good=True, seen="yes")
    with old.open("rb") as reader:
        new.replace(old)
        kept = reader.read() == b"old" and old.read_bytes() == b"new" and not new.exists()
    yield Check("rename replaces a file, and its readers keep the old one", good=kept, seen="yes" if kept else "no")
    with old.open("ab") as first, old.open("ab") as second:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield Check("a lock keeps a second writer out", good=True, seen="yes")
        else:
            yield Check("a lock keeps a second writer out", good=False, seen="no: two writers held it at once")
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    yield Check("a folder can be synced", good=True, seen="yes")


def _ask_bucket(lake: "S3Store") -> Iterator[Check]:
    from services.lake.s3 import boto_client

    yield Check("bucket and credentials", good=True, seen="listed")
    client = boto_client(1)
    key = lake.url.removeprefix(f"s3://{lake.bucket}").strip("/")
    ask = _Asker(client, lake.bucket, f"{key}/{_PROBE}".lstrip("/"))
    ask.put({"IfNoneMatch": "*"})
    began = time.time()
    yield _expect("a second If-None-Match: * is refused", 412, ask.put({"IfNoneMatch": "*"}))
    yield _expect("a wrong If-Match is refused", 412, ask.put({"IfMatch": '"0123456789abcdef0123456789abcdef"'}))
    missing = _Asker(client, lake.bucket, f"{ask.key}-{uuid.uuid4().hex}")
    yield _expect("If-Match on a missing key is refused", 404, missing.put({"IfMatch": ask.etag()}))
    yield _expect("the right If-Match is taken", 200, ask.put({"IfMatch": ask.etag()}))
    etag = ask.etag()
    with ThreadPoolExecutor(_RACERS) as pool:
        answers = list(pool.map(lambda _: ask.put({"IfMatch": etag}), range(_RACERS)))
    winners = answers.count(200)
    yield Check(f"of {_RACERS} writers at once one wins", good=winners == 1, seen=f"{winners} won")
    wrong = base64.b64encode(hashlib.sha256(b"other bytes").digest()).decode()
    yield _expect("a wrong SHA-256 is refused", 400, ask.put({"ChecksumSHA256": wrong}))
    yield _clock(lake, began)


class _Asker:
    """Writes one object and says what the store answered."""

    def __init__(self, client: "S3Client", bucket: str, key: str) -> None:
        self._client, self._bucket, self.key = client, bucket, key

    def put(self, condition: Mapping[str, Any]) -> int | str:
        """The status of one PUT of fresh bytes, or the name of what came instead of an answer."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            body = uuid.uuid4().bytes
            answer = self._client.put_object(Bucket=self._bucket, Key=self.key, Body=body, **condition)
        except ClientError as refused:
            return int(refused.response["ResponseMetadata"]["HTTPStatusCode"])
        except BotoCoreError as failure:
            return type(failure).__name__
        return int(answer["ResponseMetadata"]["HTTPStatusCode"])

    def etag(self) -> str:
        """The object's etag; one that cannot be where it is not there."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._client.head_object(Bucket=self._bucket, Key=self.key)["ETag"]
        except (ClientError, BotoCoreError):
            return '"none"'


def _expect(question: str, wanted: int, answer: int | str) -> Check:
    return Check(f"{question} ({wanted})", good=answer == wanted, seen=str(answer))


def _clock(lake: "S3Store", began: float) -> Check:
    modified = [o.modified for o in lake.objects(_PROBE) if o.key == _PROBE]
    question = f"its clock is ours (within {_CLOCK_SECONDS:.0f} s)"
    if not modified:
        return Check(question, good=False, seen="the probe that was written is not listed")
    apart = modified[0] - began
    return Check(question, good=abs(apart) <= _CLOCK_SECONDS, seen=f"{apart:+.0f} s")


def _ask_gateway(address: str) -> Check:
    from urllib.request import urlopen

    question = f"the Pushgateway answers ({masked(address)})"
    url = address if "://" in address else f"http://{address}"
    if not url.startswith(("http://", "https://")):
        return Check(question, good=False, seen="its address is neither http nor https")
    try:
        with urlopen(f"{url.rstrip('/')}/-/ready", timeout=5) as answer:  # noqa: S310  (http or https, see above)
            return Check(question, good=answer.status == 200, seen=str(answer.status))
    except (OSError, HTTPException, ValueError) as failure:
        return Check(question, good=False, seen=masked(str(failure)))
