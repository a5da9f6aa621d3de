"""The bucket of `s3.py` behind a real socket, so that the SDK's own retries, checksums and streaming are tried."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.faults.objects import Fault
from tests.faults.s3 import Bucket

STALL = 1.5
"""Seconds for which a request that times out gets no answer; the client's patience must be shorter."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        key, query = self._asked()
        if not key:
            return self._serve("list", query.get("prefix", [""])[0], lambda: self._listing(query))
        return self._serve("get range" if "Range" in self.headers else "get", key, lambda: self._object(key))

    def do_HEAD(self) -> None:
        key, _ = self._asked()
        self._serve("head", key, lambda: self._object(key))

    def do_PUT(self) -> None:
        key, _ = self._asked()
        self.content = self.rfile.read(int(self.headers["Content-Length"]))
        self._serve("put", key, lambda: self._written(key))

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""

    def _asked(self) -> tuple[str, dict[str, list[str]]]:
        split = urlsplit(self.path)
        return unquote(split.path.removeprefix("/bucket").lstrip("/")), parse_qs(split.query)

    def _serve(self, operation: str, key: str, answer: Any) -> None:
        conditional = "If-Match" in self.headers or "If-None-Match" in self.headers
        _, fault = self.server.bucket.begin(operation, key, conditional=conditional)
        match fault:
            case "500" | "503":
                self._send(int(fault), {}, _error("InternalError" if fault == "500" else "SlowDown"))
            case "timeout":
                self.server.stalled.wait(STALL)
                self._hang_up()
            case "lost answer":
                with suppress(_RefusedError):
                    answer()
                self._hang_up()
            case "foreign 412" if conditional:
                self._send(412, {}, _error("PreconditionFailed"))
            case "slow":
                self.server.stalled.wait(0.05)
                self._answer(answer, None)
            case "reset" if operation == "put":
                self._hang_up()
            case _:
                self._answer(answer, fault)

    def _answer(self, answer: Any, fault: Fault | None) -> None:
        try:
            headers, content = answer()
        except _RefusedError as refused:
            return self._send(refused.status, {}, _error(refused.code))
        status = 206 if "Range" in self.headers else 200
        return self._send(status, headers, content, fault)

    def _send(self, status: int, headers: dict[str, str], content: bytes, fault: Fault | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": headers.get("Content-Length", str(len(content)))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "flipped byte" and content:
            content = bytes([content[0] ^ 1]) + content[1:]
        if fault in ("reset", "short body"):
            self.wfile.write(content[: len(content) // 2])
            self._hang_up()
        else:
            self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _object(self, key: str) -> tuple[dict[str, str], bytes]:
        stored = self.server.bucket.objects.get(key)
        if stored is None:
            raise _RefusedError(404, "NoSuchKey")
        if self.headers.get("If-Match", stored.etag) != stored.etag:
            raise _RefusedError(412, "PreconditionFailed")
        headers = {"ETag": stored.etag, **{f"x-amz-meta-{name}": value for name, value in stored.metadata.items()}}
        content = stored.content
        if asked := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            content = content[int(asked[1]) : int(asked[2]) + 1]
        elif self.headers.get("x-amz-checksum-mode"):
            headers["x-amz-checksum-crc32"] = base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
        return {**headers, "Content-Length": str(len(content))}, content

    def _written(self, key: str) -> tuple[dict[str, str], bytes]:
        there = self.server.bucket.objects.get(key)
        if self.headers.get("If-None-Match") and there:
            raise _RefusedError(412, "PreconditionFailed")
        if "If-Match" in self.headers and not there:
            raise _RefusedError(404, "NoSuchKey")
        if there and self.headers.get("If-Match", there.etag) != there.etag:
            raise _RefusedError(412, "PreconditionFailed")
        sent = self.headers["x-amz-checksum-sha256"]
        if base64.b64encode(hashlib.sha256(self.content).digest()).decode() != sent:
            raise _RefusedError(400, "BadDigest")
        names = {name.lower(): value for name, value in self.headers.items()}
        metadata = {n.removeprefix("x-amz-meta-"): v for n, v in names.items() if n.startswith("x-amz-meta-")}
        return {"ETag": self.server.bucket.write(key, self.content, metadata).etag}, b""

    def _listing(self, query: dict[str, list[str]]) -> tuple[dict[str, str], bytes]:
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        found = {key: o for key, o in sorted(self.server.bucket.objects.items()) if key.startswith(prefix)}
        folders = sorted({prefix + k[len(prefix) :].split("/")[0] + "/" for k in found if "/" in k[len(prefix) :]})
        if delimiter:
            found = {key: o for key, o in found.items() if "/" not in key[len(prefix) :]}
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><ETag>{escape(o.etag)}</ETag><Size>{len(o.content)}</Size>"
            f"<LastModified>{o.modified.strftime('%Y-%m-%dT%H:%M:%S.000Z')}</LastModified></Contents>"
            for key, o in found.items()
        )
        if delimiter:
            entries += "".join(f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in folders)
        text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        return {"Content-Type": "application/xml"}, text.encode()


class _RefusedError(Exception):
    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bucket = bucket
        self.stalled = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what is being tried."""


@contextmanager
def serving(bucket: Bucket) -> Iterator[str]:
    """The endpoint at which the bucket is served."""
    server = _Server(bucket)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.stalled.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>planted</Message></Error>".encode()
