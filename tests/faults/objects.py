"""What a bucket holds, what was asked of it, and which of the requests are to fail."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

from tests.faults.clock import Clock

NetworkFault = Literal[
    "500", "503", "timeout", "lost answer", "reset", "short body", "flipped byte", "slow", "foreign 412"
]
Crash = Literal["kill before", "kill after", "exception before", "exception after"]
Fault = NetworkFault | Crash
NETWORK_FAULTS: tuple[NetworkFault, ...] = get_args(NetworkFault)
CRASHES: tuple[Crash, ...] = get_args(Crash)


class KilledError(BaseException):
    """The process is gone: nothing catches this, and no later request of the client is served."""


class PlantedError(Exception):
    """A defect: an exception of a kind that nobody expects."""


class Request(NamedTuple):
    """One attempt of one call."""

    number: int
    """From 1, over all calls of all clients since the counting began."""
    operation: str
    key: str
    conditional: bool


class Stored(NamedTuple):
    """An object."""

    content: bytes
    etag: str
    metadata: dict[str, str]
    modified: dt.datetime


class Put(NamedTuple):
    """A write that took effect."""

    tick: int
    key: str
    stored: Stored


class Objects:
    """Objects by key, the history of their writes, and the fault of each request."""

    def __init__(self, clock: Clock) -> None:
        self.objects: dict[str, Stored] = {}
        self.history: list[Put] = []
        self.requests: list[Request] = []
        self.clock = clock
        self.fault: Callable[[Request], Fault | None] = lambda _: None
        self.watch: Callable[[Put], None] = lambda _: None
        """Sees every write at the instant at which it takes effect."""
        self._lock = threading.RLock()

    def snapshot(self) -> dict[str, Stored]:
        """The objects, to go back to by `restore`."""
        return dict(self.objects)

    def restore(self, objects: dict[str, Stored]) -> None:
        """Objects as they were; history, requests and faults begin anew."""
        self.objects = dict(objects)
        self.history = [Put(0, key, stored) for key, stored in objects.items()]
        self.requests = []
        self.fault = lambda _: None
        self.watch = lambda _: None

    def write(self, key: str, content: bytes, metadata: dict[str, str] | None = None) -> Stored:
        """Store an object, whatever is there."""
        with self._lock:
            modified = dt.datetime(2024, 5, 12, tzinfo=dt.UTC) + dt.timedelta(seconds=len(self.history))
            etag = f'"{hashlib.md5(content).hexdigest()}"'
            stored = Stored(content, etag, metadata or {}, modified)
            self.objects[key] = stored
            self.history.append(Put(len(self.history) + 1, key, stored))
            self.watch(self.history[-1])
            return stored

    def erase(self, key: str) -> None:
        """Remove an object; whoever watches sees it gone."""
        with self._lock:
            stored = self.objects.pop(key)._replace(content=b"")
            self.history.append(Put(len(self.history) + 1, key, stored))
            self.watch(self.history[-1])

    def begin(self, operation: str, key: str, *, conditional: bool) -> tuple[Request, Fault | None]:
        """Count a request and ask for its fault."""
        with self._lock:
            request = Request(len(self.requests) + 1, operation, key, conditional)
            self.requests.append(request)
        # Not under the lock: a fault may be that another run does all its work just now.
        return request, self.fault(request)
