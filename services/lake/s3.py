"""A bucket's prefix as a store: conditional writes decide who wins."""

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pyarrow as pa
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from services.contracts.errors import BadInputError, PipelineError, TemporaryError, UsageError
from services.lake.store import Body, ChangedError, Head, NotWrittenError, Object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Within a minute a permanent error has been tried four times and is reported.
_TIMEOUTS: dict[str, Any] = {"connect_timeout": 5, "read_timeout": 20}
_READ_TRIES = 4
_CLOSED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "AllAccessDisabled", "ExpiredToken")
LARGEST_PUT = 5 * 1024**3
"""One PUT takes no more, and only a single PUT is conditional as a whole."""

Client = Callable[[int], "S3Client"]
"""Makes a client that tries each call so many times."""


def boto_client(tries: int) -> "S3Client":
    """A client of the standard credential chain; path style when an endpoint is set."""
    client = boto3.client(
        "s3", config=Config(retries={"total_max_attempts": tries, "mode": "standard"}, **_TIMEOUTS)
    )
    if client.meta.endpoint_url.endswith(".amazonaws.com"):
        return client
    style = Config(retries={"total_max_attempts": tries, "mode": "standard"}, s3={"addressing_style": "path"})
    return boto3.client("s3", config=style.merge(Config(**_TIMEOUTS)))


class S3Store:
    """Objects below `s3://bucket/prefix`; the generation and the hash of an object stand in its metadata."""

    def __init__(self, url: str, client: Client = boto_client) -> None:
        self.url = url.rstrip("/")
        self.bucket, _, prefix = self.url.removeprefix("s3://").partition("/")
        self._prefix = prefix + "/" if prefix else ""
        if not self.bucket:
            raise UsageError(f"{url}: names no bucket; write s3://bucket/prefix")
        with self._explained("opening"):
            self._client = client(_READ_TRIES)
            # A retry of a conditional PUT may meet its own success and take it for another's.
            self._once = client(1)
            self._client.list_objects_v2(Bucket=self.bucket, Prefix=self._prefix, MaxKeys=1)

    def objects(self, prefix: str) -> list[Object]:
        """Every object whose key begins with the prefix, sorted by key."""
        found = []
        with self._explained(f"listing {prefix}"):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self._prefix + prefix):
                for entry in page.get("Contents", []):
                    key = entry["Key"].removeprefix(self._prefix)
                    modified = entry["LastModified"].timestamp()
                    found.append(Object(key, entry["ETag"], entry["Size"], modified))
        return sorted(found)

    def folders(self, prefix: str) -> list[str]:
        """Names of the common prefixes directly below a prefix, sorted."""
        found = []
        with self._explained(f"listing {prefix}"):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self._prefix + prefix, Delimiter="/"):
                found += [entry["Prefix"].rstrip("/").rpartition("/")[2] for entry in page.get("CommonPrefixes", [])]
        return sorted(found)

    def head(self, key: str) -> Head | None:
        """What is known of an object."""
        with self._explained(f"looking at {key}"):
            try:
                answer = self._client.head_object(Bucket=self.bucket, Key=self._prefix + key)
            except ClientError as error:
                if _status(error) == 404 and _code(error) != "NoSuchBucket":
                    return None
                raise
        metadata = answer["Metadata"]
        generation = metadata.get("generation", "")
        return Head(
            answer["ETag"], int(generation) if generation.isdigit() else None, metadata.get("sha256") or None
        )

    def get(self, key: str) -> tuple[bytes, str] | None:
        """A small object and its etag; the SDK checks the bytes against the stored checksum."""
        with self._explained(f"reading {key}"):
            for tries_left in reversed(range(_READ_TRIES)):
                try:
                    answer = self._client.get_object(
                        Bucket=self.bucket, Key=self._prefix + key, ChecksumMode="ENABLED"
                    )
                    return answer["Body"].read(), answer["ETag"]
                except ClientError as error:
                    if _code(error) == "NoSuchKey":
                        return None
                    raise
                except BotoCoreError:  # the body broke off, or its checksum is not the stored one
                    if not tries_left:
                        raise
        raise AssertionError("unreachable")

    def open(self, key: str, etag: str) -> pa.NativeFile:
        """A reader by ranged GETs with If-Match."""
        return pa.PythonFile(io.BufferedReader(_RangeReader(self, key, etag), 1 << 20), mode="r")

    def read_range(self, key: str, etag: str, start: int, length: int) -> bytes:
        """Bytes of exactly this version of an object; ChangedError where it is no longer there."""
        with self._explained(f"reading {key}"):
            for tries_left in reversed(range(_READ_TRIES)):
                try:
                    answer = self._client.get_object(
                        Bucket=self.bucket,
                        Key=self._prefix + key,
                        Range=f"bytes={start}-{start + length - 1}",
                        IfMatch=etag,
                    )
                    return answer["Body"].read()
                except ClientError as error:
                    if _status(error) == 412 or _code(error) == "NoSuchKey":
                        raise ChangedError(key) from None
                    raise
                except BotoCoreError:  # the body broke off half-way; the SDK retries only the answer's head
                    if not tries_left:
                        raise
        raise AssertionError("unreachable")

    def size(self, key: str, etag: str) -> int:
        """Bytes of exactly this version of an object."""
        with self._explained(f"looking at {key}"):
            try:
                answer = self._client.head_object(Bucket=self.bucket, Key=self._prefix + key, IfMatch=etag)
            except ClientError as error:
                if _status(error) in (404, 412):
                    raise ChangedError(key) from None
                raise
            return answer["ContentLength"]

    def put(self, key: str, body: Body, expected: str | None) -> str:
        """One conditional PUT with its SHA-256, never repeated by the SDK."""
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        send = partial(
            self._once.put_object,
            Bucket=self.bucket,
            Key=self._prefix + key,
            ChecksumSHA256=base64.b64encode(bytes.fromhex(body.sha256)).decode(),
            Metadata={"generation": str(body.generation), "sha256": body.sha256},
            **condition,
        )
        with self._explained(f"writing {key}"):
            try:
                if isinstance(body.content, Path):
                    _check_size(key, body.content.stat().st_size)
                    with body.content.open("rb") as file:
                        return send(Body=file)["ETag"]
                return send(Body=body.content)["ETag"]
            except ClientError as error:
                if _code(error) in ("BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest"):
                    raise TemporaryError(
                        f"{key}: its bytes changed between writing and sending; run it again"
                    ) from error
                if _code(error) != "NoSuchBucket" and (_status(error) in (404, 409, 412) or _status(error) >= 500):
                    raise NotWrittenError(key) from error
                raise
            except (NoCredentialsError, PartialCredentialsError):
                raise
            except BotoCoreError as error:  # a timeout or a reset: it may have been applied
                raise NotWrittenError(key) from error

    def lock(self, key: str) -> nullcontext[None]:  # noqa: ARG002  (conditional writes do the work here)
        """Nothing: S3 has no locks, and the protocol needs none."""
        return nullcontext()

    def folds_case(self) -> bool:
        """Never: keys are bytes."""
        return False

    def scratch_folder(self) -> Path | None:
        """Anywhere: files are sent, not renamed."""
        return None

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Turn what the SDK raises into a sentence and an exit code."""
        try:
            yield
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise UsageError(
                f"{self.url}: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "AWS_PROFILE, or run under a role"
            ) from error
        except ClientError as error:
            raise self._refusal(error, doing) from error
        except BotoCoreError as error:
            raise TemporaryError(f"{self.url}: {doing} failed ({type(error).__name__}: {error})") from error

    def _refusal(self, error: ClientError, doing: str) -> PipelineError:
        code, status = _code(error), _status(error)
        if code == "NoSuchBucket" or (status == 404 and doing == "opening"):
            return UsageError(f"{self.url}: there is no bucket {self.bucket}; make it or check the name")
        if code in _CLOSED or status in (401, 403):
            return UsageError(f"{self.url}: {doing} was refused ({code}); check the credentials and their policy")
        if status >= 500 or status in (409, 429) or code in ("SlowDown", "RequestTimeout"):
            return TemporaryError(f"{self.url}: {doing} failed ({code}, status {status}); run it again later")
        return UsageError(f"{self.url}: {doing} was refused ({code}, status {status})")


class _RangeReader(io.RawIOBase):
    """One version of an object as a seekable file."""

    def __init__(self, store: S3Store, key: str, etag: str) -> None:
        self._store, self._key, self._etag = store, key, etag
        self._size = store.size(key, etag)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._size - self._position)
        if length <= 0:
            return 0
        data = self._store.read_range(self._key, self._etag, self._position, length)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _check_size(key: str, size: int) -> None:
    if size > LARGEST_PUT:
        raise BadInputError(f"{key}: {size:,} bytes are more than one PUT takes (5 GiB); split the product's drop")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
