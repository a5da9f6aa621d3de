"""A Pushgateway of the test's own: it keeps what it is told, and says it as samples."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, tuple[str, ...]], float]
"""Value by name and labels, each as `name=value`, sorted."""


class Gateway:
    """Address, and the requests that came: method, path, text."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.requests: list[tuple[str, str, str]] = []

    def samples(self, job: str, stage: str) -> Samples:
        """What a group holds: a family that comes again replaces the one before."""
        families: dict[str, Samples] = {}
        for method, path, text in self.requests:
            if (method, path) == ("POST", f"/metrics/job/{job}/stage/{stage}"):
                for family in text_string_to_metric_families(text):
                    families[family.name] = {
                        (s.name, tuple(sorted(f"{k}={v}" for k, v in s.labels.items()))): s.value
                        for s in family.samples
                    }
        return {key: value for family in families.values() for key, value in family.items()}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway that takes everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            kept.requests.append((self.command, self.path, body))
            self.send_response(200)
            self.end_headers()

        do_DELETE = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    kept = Gateway(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()
