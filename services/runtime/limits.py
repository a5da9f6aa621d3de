"""What this process may use: the container's limits where there are any."""

import math
import os
import re
from pathlib import Path

_GIB = 1024**3
_CGROUP = Path("/sys/fs/cgroup")


def cpu_limit() -> int:
    """Cores that this process may use, at least one; a container's quota counts, not the node's cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _numbers("cpu.max") or _numbers("cpu/cpu.cfs_quota_us") + _numbers("cpu/cpu.cfs_period_us")
    if len(quota) == 2 and quota[0] > 0:
        cores = min(cores, math.ceil(quota[0] / quota[1]))
    return max(cores, 1)


def memory_limit(chosen: int | None) -> int:
    """Bytes that a stage plans with: the chosen ones, or the container's limit, at most 1 GiB."""
    if chosen:
        return chosen
    container = _numbers("memory.max") or _numbers("memory/memory.limit_in_bytes") or [_GIB]
    return min(container[0], _GIB)


def peak_memory() -> int:
    """Bytes of memory at the peak of this process and of the largest of its ended children."""
    import resource

    own = _own_peak_kib() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (own + children) * 1024


def cpu_seconds() -> float:
    """CPU time of this process and its ended children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _own_peak_kib() -> int | None:
    """The peak since this program began: ru_maxrss also counts the process that started it, before its exec."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) if found else None


def _numbers(name: str) -> list[int]:
    try:
        words = (_CGROUP / name).read_text().split()
    except OSError:
        return []
    return [int(word) for word in words if word.lstrip("-").isdigit()]
