"""The event-log pipeline: ingest → clean → feature."""

import ctypes
import os
import sys
from contextlib import suppress

# Arrow reads this when it is imported, so it has to stand here. Its default allocator gives large buffers back to
# the system at once; fetching them anew cost a third of clean's CPU time in measurements, and more memory.
if sys.platform == "linux":
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    # Freed buffers are kept for 10 s instead of 1: a fifth of ingest's CPU time went into fetching pages. Huge pages
    # are not asked for: a virtual machine that has to ask its host for one waits milliseconds, and few get full.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "dirty_decay_ms:10000")
    # The same for what is not Arrow's, the kernel's texts and numpy's arrays: glibc gives large blocks back at once.
    # Other C libraries have no mallopt.
    with suppress(AttributeError):
        for setting in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
            ctypes.CDLL(None).mallopt(setting, 128 * 1024**2)
# numpy's linear algebra, which nothing here uses, would start a thread per core, each with memory of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
