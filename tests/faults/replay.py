"""The real `publish`, stepped through one store call at a time, without threads.

A writer is what its calls were answered so far: running `publish` against these answers leads to its next
call. So a state of the world and of its writers is a value, and all of them can be visited once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from services.contracts import CONTRACT_VERSION
from services.contracts.manifest import Manifest, Output, Run
from services.lake.parquet import LocalFile
from services.lake.publish import Built, Inputs, Job, Outcome
from services.lake.store import Body, Head, NotWrittenError, Object

Version = str
ROWS: dict[Version, dict[str, str]] = {"A": {"p1": "a", "p9": "x"}, "B": {"p1": "b"}}
"""What the drop holds by version: rows by partition. B has one partition less."""
NO_ROWS = "none"
_WEEK = "2024-05-10"
_ZONE = f"clean/event_log/week={_WEEK}/"
Publish = Callable[[Any, Job], Outcome]


class Stored(NamedTuple):
    """An object: its bytes as text, and what is beside them."""

    content: str
    generation: int
    etag: str


class World(NamedTuple):
    """Everything outside the writers."""

    objects: tuple[tuple[str, Stored], ...]
    sources: tuple[Version, ...]
    """The versions of the drop from now on; the first is there now."""

    def rows(self) -> dict[str, str]:
        """Rows by partition, those without rows left out."""
        zone = {key.removeprefix(_ZONE): o.content.split("@")[0] for key, o in self.objects if key.startswith(_ZONE)}
        return {key: rows for key, rows in zone.items() if rows != NO_ROWS}


class Call(NamedTuple):
    """What a writer asks next."""

    name: str
    key: str = ""
    content: str = ""
    generation: int = 0
    expected: str | None = None


class Done(NamedTuple):
    """A writer that has ended."""

    said: str


class _PauseError(BaseException):
    """No more answers: the writer waits for this call."""

    def __init__(self, call: Call) -> None:
        self.call = call


def next_step(publish: Publish, answers: tuple[Any, ...], *, stamped: bool = True) -> Call | Done:
    """Where a writer stands that was given these answers; `stamped`: files carry their generation."""
    store = _Answers(answers)
    try:
        return Done(publish(store, _job(store, stamped=stamped)).kind)
    except _PauseError as waiting:
        return waiting.call
    except Exception as error:  # noqa: BLE001  (an ending like any other)
        return Done(type(error).__name__)


def answer(world: World, call: Call) -> tuple[World, Any]:
    """Do what a call asks, in one instant."""
    objects = dict(world.objects)
    there = objects.get(call.key)
    match call.name:
        case "inputs":
            return world, world.sources[0]
        case "list":
            return world, tuple((key, o.etag) for key, o in world.objects if key.startswith(call.key))
        case "head" | "get":
            return world, there
        case _:
            if (there and there.etag) != call.expected:
                return world, None
            etag = hashlib.sha256(call.content.encode()).hexdigest()[:12]
            objects[call.key] = Stored(call.content, call.generation, etag)
            return World(tuple(sorted(objects.items())), world.sources), etag


class _Answers:
    """A store that says what it was told to say, and then stops the run."""

    url = "replayed"
    largest_object = None

    def __init__(self, answers: tuple[Any, ...]) -> None:
        self._answers = iter(answers)

    def ask(self, call: Call) -> Any:
        for given in self._answers:
            return given
        raise _PauseError(call)

    def objects(self, prefix: str) -> list[Object]:
        return [Object(key, etag, 1, 0.0) for key, etag in self.ask(Call("list", prefix))]

    def head(self, key: str) -> Head | None:
        found = self.ask(Call("head", key))
        return Head(found.etag, found.generation, None) if found else None

    def get(self, key: str) -> tuple[bytes, str] | None:
        found = self.ask(Call("get", key))
        return (found.content.encode(), found.etag) if found else None

    def put(self, key: str, body: Body, expected: str | None) -> str:
        content = body.content.decode() if isinstance(body.content, bytes) else str(body.content)
        etag = self.ask(Call("put", key, content, body.generation, expected))
        if etag is None:
            raise NotWrittenError(key)
        return str(etag)

    def lock(self, key: str) -> AbstractContextManager[None]:
        return nullcontext()


def _job(store: _Answers, *, stamped: bool) -> Job:
    def read_inputs() -> Inputs:
        return Inputs((("drop", store.ask(Call("inputs")), 1),))

    def build(inputs: Inputs, generation: int, fingerprint: str) -> Built:
        version = inputs.objects[0][1]

        def file(rows: str) -> LocalFile:
            return LocalFile(Path(f"{rows}@{generation}" if stamped else rows), "", 1, 1)

        def manifest(outputs: tuple[Output, ...]) -> Manifest:
            run = Run("r", "v", 0, "", "", {}, 0.0, 0)
            return Manifest(
                "clean", _WEEK, CONTRACT_VERSION, generation, fingerprint, (), outputs, {"version": ord(version)}, run
            )

        files = {_ZONE + key: file(rows) for key, rows in ROWS[version].items()}
        return Built(files, lambda _: file(NO_ROWS), manifest)

    return Job("clean", _WEEK, {}, read_inputs, build)


def manifest_of(world: World) -> dict[str, Any] | None:
    """The manifest in the world."""
    found = dict(world.objects).get(f"_control/clean/week={_WEEK}/manifest.json")
    return orjson.loads(found.content) if found else None
