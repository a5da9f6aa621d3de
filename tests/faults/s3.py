"""S3 in this process: one bucket with true compare-and-swap, whose every request can be made to fail.

`Bucket.client` has the few methods of boto3's client that `services.lake.s3` calls, its retries and its
exceptions included, so that thousands of runs take minutes. What real sockets do is tried in `test_http.py`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tests.faults.answers import Body as Stream
from tests.faults.answers import refusal, status
from tests.faults.objects import Fault, KilledError, Objects, PlantedError, Request, Stored

_BACKOFF = (1.0, 2.0, 4.0)
"""Seconds that the SDK waits at most before its second, third and fourth try."""


class Bucket(Objects):
    """One bucket, and clients for it."""

    def client(self, tries: int) -> Any:
        """A client that tries each call so many times."""
        return _Client(self, tries)


class _Client:
    """What `services.lake.s3` knows of boto3's client."""

    def __init__(self, bucket: Objects, tries: int) -> None:
        self._bucket, self._tries = bucket, tries
        self._timeout = 10.0 if tries > 1 else 20.0
        self._dead = False

    def list_objects_v2(self, *, Bucket: str, Prefix: str = "", Delimiter: str = "", MaxKeys: int = 1000) -> Any:  # noqa: N803
        def answer() -> dict[str, Any]:
            keys = sorted(key for key in self._bucket.objects if key.startswith(Prefix))
            folders = sorted(
                {Prefix + key[len(Prefix) :].split("/")[0] + "/" for key in keys if "/" in key[len(Prefix) :]}
            )
            if Delimiter:
                keys = [key for key in keys if "/" not in key[len(Prefix) :]]
            stored = self._bucket.objects
            return {
                "Contents": [
                    {
                        "Key": k,
                        "ETag": stored[k].etag,
                        "Size": len(stored[k].content),
                        "LastModified": stored[k].modified,
                    }
                    for k in keys[:MaxKeys]
                ],
                "CommonPrefixes": [{"Prefix": folder} for folder in folders] if Delimiter else [],
            }

        return self._call("list", Prefix, answer, conditional=False)

    def get_paginator(self, _operation: str) -> _Pages:
        return _Pages(self)

    def head_object(self, *, Bucket: str, Key: str, IfMatch: str | None = None) -> Any:  # noqa: N803
        def answer() -> dict[str, Any]:
            stored = self._found(Key, IfMatch, code="404")
            return {"ETag": stored.etag, "Metadata": stored.metadata, "ContentLength": len(stored.content)}

        return self._call("head", Key, answer, conditional=IfMatch is not None)

    def get_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        Range: str | None = None,  # noqa: N803
        ChecksumMode: str | None = None,  # noqa: N803
    ) -> Any:
        def answer() -> dict[str, Any]:
            stored = self._found(Key, IfMatch, code="NoSuchKey")
            content = stored.content
            if Range:
                start, _, stop = Range.removeprefix("bytes=").partition("-")
                content = content[int(start) : int(stop) + 1]
            return {"ETag": stored.etag, "Body": Stream(content, None, checked=ChecksumMode is not None)}

        return self._call("get range" if Range else "get", Key, answer, conditional=IfMatch is not None)

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: Any,  # noqa: N803
        ChecksumSHA256: str | None = None,  # noqa: N803
        Metadata: dict[str, str],  # noqa: N803
        ContentType: str,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
    ) -> Any:
        content = Body if isinstance(Body, bytes) else Body.read()

        def answer() -> dict[str, Any]:
            there = self._bucket.objects.get(Key)
            if IfNoneMatch and there:
                raise refusal(412, "PreconditionFailed")
            if IfMatch and not there:
                raise refusal(404, "NoSuchKey")
            if IfMatch and there and there.etag != IfMatch:
                raise refusal(412, "PreconditionFailed")
            if ChecksumSHA256 and base64.b64encode(hashlib.sha256(content).digest()).decode() != ChecksumSHA256:
                raise refusal(400, "BadDigest")
            return {"ETag": self._bucket.write(Key, content, Metadata).etag}

        return self._call("put", Key, answer, conditional=bool(IfMatch or IfNoneMatch))

    def delete_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803
        """Nothing of the product deletes; a planted bug does."""

        def answer() -> dict[str, Any]:
            self._bucket.erase(Key)
            return {}

        return self._call("delete", Key, answer, conditional=False)

    def _found(self, key: str, etag: str | None, *, code: str) -> Stored:
        stored = self._bucket.objects.get(key)
        if stored is None:
            raise refusal(404, code)
        if etag not in (None, stored.etag):
            raise refusal(412, "PreconditionFailed")
        return stored

    def _call(self, operation: str, key: str, answer: Callable[[], Any], *, conditional: bool) -> Any:
        for tries_left in reversed(range(self._tries)):
            try:
                return self._attempt(operation, key, answer, conditional=conditional)
            except (ClientError, ReadTimeoutError, ConnectionClosedError) as failure:
                passing = not isinstance(failure, ClientError) or status(failure) >= 500
                if not passing or not tries_left:
                    raise
                self._bucket.clock.sleep(_BACKOFF[self._tries - tries_left - 1])
        raise AssertionError("unreachable")

    def _attempt(self, operation: str, key: str, answer: Callable[[], Any], *, conditional: bool) -> Any:
        if self._dead:
            raise KilledError
        request, fault = self._bucket.begin(operation, key, conditional=conditional)
        match fault:
            case None:
                return answer()
            case "reset" | "short body" | "flipped byte":
                return self._broken(request, answer, fault)
            case "slow":
                self._bucket.clock.sleep(8.0)
                return answer()
            case "500" | "503":
                raise refusal(int(fault), "InternalError" if fault == "500" else "SlowDown")
            case "timeout":
                raise self._timed_out()
            case "lost answer":
                _unheard(answer)
                raise self._timed_out()
            case "foreign 412":
                if not request.conditional:
                    return answer()
                raise refusal(412, "PreconditionFailed")
            case "kill before":
                raise self._killed()
            case "kill after":
                _unheard(answer)
                raise self._killed()
            case "exception before":
                raise PlantedError
            case "exception after":
                _unheard(answer)
                raise PlantedError
        raise AssertionError(fault)

    def _broken(self, request: Request, answer: Callable[[], Any], fault: Fault) -> Any:
        operation = request.operation
        if operation.startswith("get"):
            given = answer()
            given["Body"].fault, given["Body"].number = fault, request.number
            return given
        if operation == "put" and fault == "flipped byte":
            raise refusal(400, "BadDigest")
        if operation == "put" and fault == "short body":
            raise refusal(400, "IncompleteBody")
        if fault == "flipped byte":
            return answer()  # of what is not a body the SDK reads fields; a flip there is a header, or no XML
        raise ConnectionClosedError(endpoint_url="http://in-process")

    def _timed_out(self) -> ReadTimeoutError:
        self._bucket.clock.sleep(self._timeout)
        return ReadTimeoutError(endpoint_url="http://in-process")

    def _killed(self) -> KilledError:
        self._dead = True
        return KilledError()


class _Pages:
    """A paginator; a bucket here fits on one page."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    def paginate(self, **options: Any) -> Iterator[Any]:
        yield self._client.list_objects_v2(**options)


def _unheard(answer: Callable[[], Any]) -> None:
    """The request has its effect, and nobody hears what the store says."""
    with suppress(ClientError):
        answer()
