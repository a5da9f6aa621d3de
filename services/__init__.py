"""The event-log pipeline: ingest → clean → feature."""

import os
import sys

# Arrow reads this when it is imported, so it has to stand here. Its default allocator gives large buffers back to
# the system at once; fetching them anew cost a third of clean's CPU time in measurements, and more memory.
if sys.platform == "linux":
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    # Freed buffers are kept for 10 s instead of 1, and lie in huge pages where the system has them: a fifth of ingest's
    # CPU time went into fetching pages.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "dirty_decay_ms:10000,thp:always")
# numpy's linear algebra, which nothing here uses, would start a thread per core, each with memory of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
