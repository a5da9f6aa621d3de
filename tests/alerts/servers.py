"""Prometheus, Pushgateway and Alertmanager as processes of the test's own, on free ports."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

_READY = 30.0
"""Seconds until a server has to answer."""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def server(folder: Path, port: int, *words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that answers /-/ready; ended at the end, its log beside its data."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log, cwd=folder)
        try:
            _await_ready(process, port, folder / "log")
            yield process
        finally:
            process.terminate()
            process.wait(10)


def prometheus(folder: Path, config: dict[str, Any], port: int) -> Any:
    """A Prometheus with this configuration, over what lies in folder/data."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    return server(
        folder,
        port,
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-lifecycle",
    )


def pushgateway(folder: Path, port: int) -> Any:
    return server(folder, port, "prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{port}")


def alertmanager(folder: Path, config: dict[str, Any], port: int) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    return server(
        folder,
        port,
        "prometheus-alertmanager",
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )


def ask(port: int, path: str, **parameters: object) -> Any:
    """The data of an answer of Prometheus' API; an AssertionError with its words where it refuses."""
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as refused:
        raise AssertionError(f"{parameters}: {refused.read().decode()}") from refused


def _await_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _READY
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"not ready: {log.read_text()[-2000:]}")
