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
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  (botocore's own)
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
)

from services.contracts.errors import PipelineError, TemporaryError, UsageError
from services.lake.store import Body, ChangedError, Head, NotWrittenError, Object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_READ_TRIES = 4
_SECONDS = {_READ_TRIES: 10, 1: 20}
"""How long a request may go without an answer, by tries: within a minute a permanent error is reported."""
_CLOSED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "AllAccessDisabled", "ExpiredToken")
_TAMPERED = ("BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch")
_UNSURE = ("RequestTimeout", "IncompleteBody", "SlowDown")
_PASSING = (
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    FlexibleChecksumError,
    CredentialRetrievalError,
    MetadataRetrievalError,
    TokenRetrievalError,
)
"""What the SDK raises for a network or a store in trouble; anything else of it is a mistake in the settings."""
LARGEST_PUT = 5 * 1024**3
"""One PUT takes no more, and only a single PUT is conditional as a whole."""

Client = Callable[[int], "S3Client"]
"""Makes a client that tries each call so many times."""


def boto_client(tries: int) -> "S3Client":
    """A client of the standard credential chain; path style when an endpoint is set."""
    config = Config(
        retries={"total_max_attempts": tries, "mode": "standard"}, connect_timeout=5, read_timeout=_SECONDS[tries]
    )
    client = boto3.client("s3", config=config)
    if client.meta.endpoint_url.endswith(".amazonaws.com"):
        return client
    return boto3.client("s3", config=config.merge(Config(s3={"addressing_style": "path"})))


_CONTENT_TYPES = {"html": "text/html; charset=utf-8", "json": "application/json"}
"""By the end of a key: a report that is opened in a browser is shown, not downloaded."""


class S3Store:
    """Objects below `s3://bucket/prefix`; the generation and the hash of an object stand in its metadata."""

    largest_object: int | None = LARGEST_PUT

    def __init__(self, url: str, client: Client = boto_client) -> None:
        self.bucket, _, prefix = url.removeprefix("s3://").rstrip("/").partition("/")
        self.url = f"s3://{self.bucket}/{prefix}".rstrip("/") if self.bucket else url
        self._prefix = prefix + "/" if prefix else ""
        if not self.bucket:
            raise UsageError(f"{url}: names no bucket; write s3://bucket/prefix")
        with self._explained("opening"):
            try:
                self._client = client(_READ_TRIES)
                # A retry of a conditional PUT may meet its own success and take it for another's.
                self._once = client(1)
            except ValueError as wrong:
                raise UsageError(f"{self.url}: {wrong}; check the AWS_ settings") from wrong
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
        return Head(answer["ETag"], int(generation) if generation.isdigit() else None, metadata.get("sha256") or None)

    def get(self, key: str) -> tuple[bytes, str] | None:
        """A small object and its etag; the SDK checks the bytes against the stored checksum."""
        try:
            return self._download(key, None, ChecksumMode="ENABLED")
        except _MissingError:
            return None

    def open(self, key: str, etag: str) -> pa.NativeFile:
        """A reader by ranged GETs with If-Match."""
        return pa.PythonFile(io.BufferedReader(_RangeReader(self, key, etag), 1 << 20), mode="r")

    def read_range(self, key: str, etag: str, start: int, length: int) -> bytes:
        """Bytes of exactly this version of an object; ChangedError where it is no longer there."""
        span = f"bytes={start}-{start + length - 1}"
        try:
            return self._download(key, length, Range=span, IfMatch=etag)[0]
        except _MissingError:
            raise ChangedError(key) from None

    def _download(self, key: str, length: int | None, **options: Any) -> tuple[bytes, str]:
        """A body of the expected length, and its etag; _MissingError where the object is not there, or another."""
        with self._explained(f"reading {key}"):
            for tries_left in reversed(range(_READ_TRIES)):
                try:
                    answer = self._client.get_object(Bucket=self.bucket, Key=self._prefix + key, **options)
                except ClientError as error:
                    if _status(error) in (404, 412) and _code(error) != "NoSuchBucket":
                        raise _MissingError from None
                    raise
                try:
                    # The SDK retries until the answer begins; what breaks off later is ours to ask for again.
                    content = answer["Body"].read()
                    if length is None or len(content) == length:
                        return content, answer["ETag"]
                except _PASSING:
                    if not tries_left:
                        raise
        raise TemporaryError(f"{self.url}: reading {key} gave another number of bytes than was asked for; run it again")

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
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        send = partial(
            self._once.put_object,
            Bucket=self.bucket,
            Key=self._prefix + key,
            ChecksumSHA256=base64.b64encode(bytes.fromhex(body.sha256)).decode(),
            Metadata={"generation": str(body.generation), "sha256": body.sha256},
            ContentType=_CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream"),
            **condition,
        )
        with self._explained(f"writing {key}"):
            try:
                if isinstance(body.content, Path):
                    with body.content.open("rb") as file:
                        return send(Body=file)["ETag"]
                return send(Body=body.content)["ETag"]
            except ClientError as error:
                if _code(error) in _TAMPERED:
                    raise TemporaryError(
                        f"{key}: its bytes changed between writing and sending; run it again"
                    ) from error
                if _is_unsure(error):
                    raise NotWrittenError(f"{key}: {_code(error)}, status {_status(error)}") from error
                raise
            except _PASSING as error:  # a timeout or a reset: it may have been applied
                raise NotWrittenError(f"{key}: {error}") from error

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
        except _PASSING as error:
            raise TemporaryError(
                f"{self.url}: {doing} failed ({type(error).__name__}: {error}); check the network and the endpoint, "
                "then run it again"
            ) from error
        except BotoCoreError as error:
            raise UsageError(f"{self.url}: {doing} failed ({error}); check the AWS_ settings and the URL") from error

    def _refusal(self, error: ClientError, doing: str) -> PipelineError:
        code, status = _code(error), _status(error)
        if code == "NoSuchBucket" or (status == 404 and doing == "opening"):
            return UsageError(f"{self.url}: there is no bucket {self.bucket}; make it or check the name")
        if code == "RequestTimeTooSkewed":
            return UsageError(f"{self.url}: {doing} was refused ({code}); set this machine's clock right")
        if code in _CLOSED or status in (401, 403):
            return UsageError(f"{self.url}: {doing} was refused ({code}); check the credentials and their policy")
        if status >= 500 or status in (409, 429) or code in _UNSURE:
            return TemporaryError(f"{self.url}: {doing} failed ({code}, status {status}); run it again later")
        return UsageError(
            f"{self.url}: {doing} was refused ({code}, status {status}); check the URL and the AWS_ settings"
        )


class _MissingError(Exception):
    """There is no such object, or no longer the one that was asked for."""


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


def _is_unsure(error: ClientError) -> bool:
    """Whether a PUT was refused by its condition, or may have been applied all the same."""
    if _code(error) == "NoSuchBucket":
        return False
    return _status(error) in (404, 409, 412, 429) or _status(error) >= 500 or _code(error) in _UNSURE


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
