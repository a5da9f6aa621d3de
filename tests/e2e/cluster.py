"""A cluster as an operator sees it, by kubectl, helm and argo; every wait says at its end what was there instead."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 600.0
"""Long enough for a busy machine with two cores; whoever waits that long has something to look at."""
_LABEL = "workflows.argoproj.io/workflow"


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def command(*words: str, stdin: str | None = None, timeout: float = WAIT_SECONDS) -> Ended:
    """Run a command to its end, whatever that is."""
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
    return Ended(done.returncode, done.stdout, done.stderr)


class UnreachableError(AssertionError):
    """The cluster did not answer: on a busy machine it does a moment later."""


_UNREACHABLE = ("Unable to connect to the server", "connection refused", "handshake timeout", "etcdserver")


def succeed(*words: str, stdin: str | None = None, timeout: float = WAIT_SECONDS) -> str:
    """What a command says that has to end well."""
    ended = command(*words, stdin=stdin, timeout=timeout)
    if ended.code:
        kind = UnreachableError if any(part in ended.err for part in _UNREACHABLE) else AssertionError
        raise kind(f"{' '.join(words)}: exit {ended.code}\n{ended.out}\n{ended.err}")
    return ended.out


def wait_for(what: str, look: Callable[[], T], say: Callable[[], str], seconds: float = WAIT_SECONDS) -> T:
    """Look twice a second until something is seen; else fail with what is there instead."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if seen := look():
                return seen
        except UnreachableError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, f"{what} was not seen within {seconds:.0f} s:\n{say()}"
        time.sleep(0.5)


class Step(NamedTuple):
    """One attempt at a step: a pod of a workflow."""

    template: str
    phase: str
    message: str
    exit_code: int | None
    started: str
    outputs: dict[str, str]
    id: str


class Namespace:
    """A namespace of the tests' own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return succeed("kubectl", "-n", self.name, *words, stdin=stdin)

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def workflows(self, release: str) -> list[Workflow]:
        """The runs of a release, oldest first."""
        found = self.get("workflows", "-l", f"app.kubernetes.io/instance={release}")["items"]
        found.sort(key=lambda item: item["metadata"]["creationTimestamp"])
        return [Workflow(self, item["metadata"]["name"]) for item in found]

    @contextmanager
    def forwarded(self, service: str, port: int) -> Iterator[str]:
        """The address of a service on this machine; kubectl gives up with the first lost connection, so it is begun anew."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            local = free.getsockname()[1]
        line = ["kubectl", "-n", self.name, "port-forward", f"svc/{service}", f"{local}:{port}"]
        ended = threading.Event()
        running: list[subprocess.Popen[bytes]] = []

        def keep() -> None:
            while not ended.is_set():
                running[:] = [subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
                running[0].wait()
                ended.wait(0.5)

        keeper = threading.Thread(target=keep)
        keeper.start()
        try:
            wait_for(f"{service} on this machine", lambda: _answers(local), lambda: " ".join(line), 60)
            yield f"127.0.0.1:{local}"
        finally:
            ended.set()
            while keeper.is_alive():
                for process in running:
                    process.terminate()
                keeper.join(0.2)


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


class Workflow:
    """One run."""

    def __init__(self, namespace: Namespace, name: str) -> None:
        self.namespace, self.name = namespace, name

    def status(self) -> dict[str, Any]:
        return self.namespace.get("workflow", self.name).get("status", {})

    def shown(self) -> str:
        """What `argo get` shows."""
        return command("argo", "get", "--no-color", "-n", self.namespace.name, self.name).out

    def finished(self) -> str:
        """The phase in which it ends."""
        return wait_for(f"the end of {self.name}", self._ended, self.explained)

    def _ended(self) -> str:
        phase = self.status().get("phase", "")
        return phase if phase in ("Succeeded", "Failed", "Error") else ""

    def nodes(self) -> list[dict[str, Any]]:
        return list(self.status().get("nodes", {}).values())

    def steps(self, *templates: str) -> list[Step]:
        """The attempts at these templates, in the order in which they began."""
        pods = [node for node in self.nodes() if node["type"] == "Pod" and node["templateName"] in templates]
        return sorted((_step(node) for node in pods), key=lambda step: step.started)

    def pods(self, component: str = "") -> list[str]:
        """Names of its pods, oldest first."""
        labels = f"{_LABEL}={self.name}" + (f",app.kubernetes.io/component={component}" if component else "")
        found = self.namespace.get("pods", "-l", labels)["items"]
        return [pod["metadata"]["name"] for pod in sorted(found, key=lambda p: p["metadata"]["creationTimestamp"])]

    def log(self, pod: str) -> str:
        """What a pod's own container has said so far; nothing where it has not begun."""
        return command("kubectl", "-n", self.namespace.name, "logs", pod, "-c", "main").out

    def working(self, component: str) -> str:
        """The pod of a step that is in the middle of its work, as Argo knows too.

        A pod that goes before Argo has seen it running is made anew, and is no retry.
        """

        def look() -> str | None:
            if not any(step.phase == "Running" for step in self.steps(component)):
                assert not self._ended(), f"{self.name} ended before {component} was seen at work: make it slower"
                return None
            return next((pod for pod in self.pods(component) if '"claimed"' in self.log(pod)), None)

        return wait_for(f"{component} at work", look, self.explained)

    def explained(self) -> str:
        """All that helps to see what went wrong."""
        parts = [self.shown()]
        for pod in self.pods():
            parts.append(f"--- {pod}\n{self.log(pod)}")
            parts.append(command("kubectl", "-n", self.namespace.name, "get", "pod", pod, "-o", "wide").out)
        return "\n".join(parts)


def _step(node: dict[str, Any]) -> Step:
    outputs = node.get("outputs", {})
    code = outputs.get("exitCode")
    return Step(
        node["templateName"],
        node["phase"],
        node.get("message", ""),
        int(code) if code is not None else None,
        node.get("startedAt") or "",
        {p["name"]: p.get("value", "") for p in outputs.get("parameters", [])},
        node["id"],
    )
