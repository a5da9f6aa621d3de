"""What a tree of processes uses: by a cgroup of its own where one can be made, else by looking at each process."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil

_ROOT = Path("/sys/fs/cgroup")


class Meter(Protocol):
    """Memory is what the tree holds itself, anonymous and shared; the file cache is not its own."""

    name: str
    """How it measures, for people."""
    doors: tuple[Path, ...]
    """Files into which a process writes its id to be measured, with all that it starts."""

    def memory(self, pid: int) -> int:
        """Bytes held now by the tree below a process."""

    def cpu_seconds(self, pid: int) -> float:
        """CPU time of the tree so far, ended processes included."""

    def out_of_memory(self) -> bool:
        """Whether the limit ended a process."""

    def close(self) -> None:
        """Forget the tree; its processes have ended."""


def open_meter(limit: int) -> Meter:
    """The best meter to be had here, for one tree that may hold `limit` bytes."""
    kinds: tuple[Callable[[int], Meter], ...] = (UnifiedGroup, SplitGroups)
    for kind in kinds:
        with suppress(OSError, KeyError):
            return kind(limit)
    return Processes(limit)


class UnifiedGroup:
    """A cgroup of version 2."""

    name = "cgroup v2: anon + shmem of memory.stat, sampled"
    doors: tuple[Path, ...]

    def __init__(self, limit: int) -> None:
        self._group = _new_group(_managed_parent(_ROOT / _own_groups()[""].lstrip("/")))
        self.doors = (self._group / "cgroup.procs",)
        try:
            (self._group / "memory.max").write_text(str(limit))
        except OSError:
            self.close()
            raise

    def memory(self, pid: int) -> int:
        del pid  # the group knows its processes
        stat = _figures(self._group / "memory.stat")
        return stat["anon"] + stat["shmem"]

    def cpu_seconds(self, pid: int) -> float:
        del pid
        return _figures(self._group / "cpu.stat")["usage_usec"] / 1e6

    def out_of_memory(self) -> bool:
        return _figures(self._group / "memory.events")["oom_kill"] > 0

    def close(self) -> None:
        _remove(self._group)


class SplitGroups:
    """A cgroup of version 1 for memory and one for CPU time."""

    name = "cgroup v1: rss + shmem of memory.stat, sampled"
    doors: tuple[Path, ...]

    def __init__(self, limit: int) -> None:
        own = _own_groups()
        self._memory = _new_group(_ROOT / "memory" / own["memory"].lstrip("/"))
        self._cpu = self._memory
        try:
            (self._memory / "memory.limit_in_bytes").write_text(str(limit))
            self._cpu = _new_group(_ROOT / "cpuacct" / own["cpuacct"].lstrip("/"))
        except (OSError, KeyError):
            self.close()
            raise
        self.doors = (self._memory / "cgroup.procs", self._cpu / "cgroup.procs")

    def memory(self, pid: int) -> int:
        del pid  # the groups know their processes
        stat = _figures(self._memory / "memory.stat")
        return stat["total_rss"] + stat["total_shmem"]

    def cpu_seconds(self, pid: int) -> float:
        del pid
        return int((self._cpu / "cpuacct.usage").read_text()) / 1e9

    def out_of_memory(self) -> bool:
        return _figures(self._memory / "memory.oom_control").get("oom_kill", 0) > 0

    def close(self) -> None:
        for group in {self._memory, self._cpu}:
            _remove(group)


class Processes:
    """Every process of the tree, one by one; the limit is kept by ending the tree that is seen above it."""

    name = "proportional memory of each process (anonymous and shared), sampled"
    doors: tuple[Path, ...] = ()

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._over = False
        self._cpu: dict[int, float] = {}

    def memory(self, pid: int) -> int:
        held = 0
        for process in _tree(pid):
            with suppress(psutil.Error, OSError):
                times = process.cpu_times()
                self._cpu[process.pid] = times.user + times.system
                held += _proportional(process)
        if held > self._limit:
            self._over = True
            for process in _tree(pid):
                with suppress(psutil.Error):
                    process.kill()
        return held

    def cpu_seconds(self, pid: int) -> float:
        del pid  # it has ended; what was last seen of each process counts
        return sum(self._cpu.values())

    def out_of_memory(self) -> bool:
        return self._over

    def close(self) -> None:
        """Nothing is held."""


def _own_groups() -> dict[str, str]:
    """The group of this process by controller; version 2 has the empty name."""
    groups = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))
    return groups


def _managed_parent(own: Path) -> Path:
    """The nearest group that counts memory and CPU time of the groups below it; one with processes cannot."""
    for group in (own, *own.parents):
        if {"memory", "cpu"} <= set((group / "cgroup.subtree_control").read_text().split()):
            return group
    raise FileNotFoundError(own)


def _new_group(parent: Path) -> Path:
    group = parent / f"eventlog-bench-{os.getpid()}-{time.monotonic_ns()}"
    group.mkdir()
    return group


def _remove(group: Path) -> None:
    """The kernel takes a moment to see that a killed process is gone."""
    until = time.monotonic() + 10
    while True:
        with suppress(OSError):
            group.rmdir()
            return
        if time.monotonic() > until:
            return
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                os.kill(int(pid), 9)
        time.sleep(0.05)


def _figures(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _proportional(process: psutil.Process) -> int:
    rollup = Path(f"/proc/{process.pid}/smaps_rollup")
    if not rollup.exists():
        return int(process.memory_full_info().uss)
    fields = (line.split() for line in rollup.read_text().splitlines()[1:])
    return sum(int(kib) * 1024 for name, kib, *_ in fields if name in ("Pss_Anon:", "Pss_Shmem:"))
