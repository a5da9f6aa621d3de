"""The facts of this machine that a figure depends on."""

import os
import platform
import shutil
from pathlib import Path

import psutil

from bench.meters import open_meter


def machine_facts(folder: Path) -> dict[str, str]:
    """Name and value, for people; `folder` is where the drops and lakes are."""
    meter = open_meter(2**30)
    meter.close()
    disk = shutil.disk_usage(folder)
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB, {psutil.swap_memory().total / 2**30:.1f} GiB swap",
        "disk": f"{disk.free / 2**30:.0f} GiB free of {disk.total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load before the start": f"{os.getloadavg()[0]:.2f} (1 minute)",
        "peak memory by": meter.name,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
