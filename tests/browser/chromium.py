"""Headless Chromium over its DevTools pipe: what a page asks for, complains of, and measures.

The pipe (file descriptors 3 and 4, messages ended by a zero byte) needs neither a driver nor a web socket.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Quiet: nothing of its own goes out. Without a GPU and, as root in a container, without its sandbox.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find_chromium() -> str | None:
    """The browser's path, or None where it is not installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Seen:
    """What happened while a page was open."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Console errors, refused contents, exceptions."""


class Page:
    """One tab."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self.seen = Seen()
        target = pipe.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = pipe.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime", "Security"):
            self._ask(f"{domain}.enable")
        self._ask("Page.setLifecycleEventsEnabled", enabled=True)

    def open(self, url: str, *, width: int, dark: bool, height: int = 900) -> None:
        """Open an address at a width in CSS pixels and a colour scheme, and wait until it is loaded."""
        phone = width < 600
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        self.seen = Seen()
        # The empty page of a new tab may end its loading later: only this navigation's end counts.
        loader = self._ask("Page.navigate", url=url)["loaderId"]
        self._pipe.wait(lambda said: said.get("loaderId") == loader and said.get("name") == "load", self._note)

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page, from outside of it."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def accessibility_tree(self) -> list[tuple[str, str]]:
        """Role and name of everything that a screen reader meets, in its order."""
        nodes = self._ask("Accessibility.getFullAXTree")["nodes"]
        told = [
            (n.get("role", {}).get("value", ""), n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"]
        ]
        return [(str(role), str(name)) for role, name in told]

    def screenshot(self, path: Path, *, full: bool = True) -> None:
        """The page as PNG, down to its end."""
        size = self._ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = {"format": "png", "captureBeyondViewport": full, **({"clip": clip} if full else {})}
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", **shot)["data"]))

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self._ask("Page.printToPDF", printBackground=False)["data"])

    def _ask(self, method: str, **given: Any) -> dict[str, Any]:
        return self._pipe.ask(method, self._session, self._note, **given)

    def _note(self, event: dict[str, Any]) -> None:
        said = event["params"]
        match event["method"]:
            # A browser asks for a site's icon by itself, now and then; a page that names one asks for another address.
            case "Network.requestWillBeSent" if not said["request"]["url"].endswith("/favicon.ico"):
                self.seen.requests.append(said["request"]["url"])
            case "Log.entryAdded" if said["entry"]["level"] in ("error", "warning"):
                self.seen.complaints.append(said["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.seen.complaints.append(json.dumps(said))


@contextmanager
def browser(chromium: str) -> Iterator[Page]:
    """A browser with an empty profile, ended afterwards."""
    to_read, to_us = os.pipe()
    from_us, to_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # Its descriptors have to be 3 and 4, which may be taken here: the shell puts them there.
        command = f'exec "$0" "$@" 3<&{from_us} 4>&{to_us}'
        process = subprocess.Popen(
            ["/bin/bash", "-c", command, chromium, *_FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(from_us, to_us),
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile, "DBUS_SESSION_BUS_ADDRESS": "/dev/null"},
        )
        os.close(from_us)
        os.close(to_us)
        try:
            with os.fdopen(to_read, "rb") as reader, os.fdopen(to_write, "wb") as writer:
                yield Page(_Pipe(reader, writer))
        finally:
            process.terminate()
            process.wait(timeout=30)


class _Pipe:
    """Questions and answers; events that arrive in between are handed on."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader, self._writer = reader, writer
        self._asked = 0
        self._rest = b""
        self._waiting: list[dict[str, Any]] = []

    def ask(self, method: str, session: str | None = None, note: Any = None, **given: Any) -> dict[str, Any]:
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": given}
        if session:
            message["sessionId"] = session
        self._writer.write(json.dumps(message).encode() + b"\0")
        self._writer.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self._asked:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._hand_on(answer, note)

    def wait(self, wanted: Callable[[dict[str, Any]], bool], note: Any) -> None:
        """Until an event has come whose parameters are wanted, also if it came while something was asked."""
        while not any(wanted(event["params"]) for event in self._waiting):
            self._hand_on(self._read(), note)
        self._waiting.clear()

    def _hand_on(self, event: dict[str, Any], note: Any) -> None:
        if "method" in event:
            self._waiting.append(event)
            if note:
                note(event)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._reader.fileno(), 1 << 16)
            assert chunk, "the browser has ended"
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)
