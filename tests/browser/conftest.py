"""Weeks of every kind, their pages on a server that sends Argo's content policy, and a browser."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow as pa
import pytest

from services.control.report.gather import gather
from services.control.report.page import page
from services.lake.store import open_store
from tests.browser.chromium import Page, browser, find_chromium
from tests.drops import TEN, Chain, ev, row, table

POLICY = "sandbox; default-src 'none'; img-src 'self'; style-src 'self' 'unsafe-inline'"
"""What Argo's server sends with an artifact."""
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
BROKEN_RULES = """<!DOCTYPE html><body><script>document.body.dataset.ran = 1</script>
<img src="http://127.0.0.1:9/x.png"><p style="width: 2000px; color: #ccc">wide and pale</p>"""
WEEKS = {
    "first": "2024-05-03",
    "ordinary": "2024-05-10",
    "bad": "2024-05-17",
    "empty": "2024-05-24",
    "2,000 pn": "2024-05-31",
}


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The page of each week, by its kind."""
    chain = Chain(tmp_path_factory.mktemp("weeks"))
    ordinary = [_row(n) for n in range(200)]
    chain.drop({"part-0.parquet": table(*ordinary)}, WEEKS["first"])
    chain.drop({"part-0.parquet": table(*ordinary, *ordinary[:9])}, WEEKS["ordinary"])
    faults = [row(f"T{n}", pn=HOSTILE, ev=ev(TimeStamp=f"{1970 + n}-01-01", EventId=n), ts=TEN) for n in range(40)]
    broken = [row(f"T{n}", pn="L5", cat="Error", ev="{") for n in range(20)]
    bad = table(*ordinary[:60], *ordinary[:60], *faults, *broken, row(tag=None))
    files = {f"{'long-name-' * 12}.parquet": bad.append_column(HOSTILE, pa.array(["x"] * len(bad)))}
    chain.drop(files, WEEKS["bad"])
    chain.drop({"part-0.parquet": table()}, WEEKS["empty"])
    many = [row(f"T{n}", pn=f"P{n:04d}", cat="Error" if n % 7 else "Info") for n in range(2000)]
    chain.drop({"part-0.parquet": table(*many)}, WEEKS["2,000 pn"])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)  # two thousand files, and no power cut to survive
        chain.run(*WEEKS.values())
    lake = open_store(str(chain.lake))
    return {kind: page(gather(chain.settings(week=week), lake)) for kind, week in WEEKS.items()}


@pytest.fixture(scope="session")
def served(pages: dict[str, str]) -> Iterator[dict[str, str]]:
    """The address of each page."""
    texts = {**pages, "broken rules": BROKEN_RULES}
    by_path = {f"/{place}": text.encode() for place, text in enumerate(texts.values())}
    by_path["/favicon.ico"] = b""  # a browser asks for it by itself, sooner or later

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in by_path else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", POLICY)
            self.end_headers()
            self.wfile.write(by_path.get(self.path, b""))

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    yield {kind: f"{address}/{place}" for place, kind in enumerate(texts)}
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def tab() -> Iterator[Page]:
    """A tab of a real browser."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("chromium is not installed (Debian: apt install chromium)")
    with browser(chromium) as opened:
        yield opened


def _row(number: int) -> dict[str, Any]:
    return row(f"T{number % 30}", pn=("I13", "L5", "T14")[number % 3], ev=ev(TimeStamp=TEN, EventId=number))
