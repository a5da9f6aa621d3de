"""A local file that is made to be published: hashed and handed to the disk while it is written."""

import ctypes
import hashlib
from pathlib import Path

_LIBC = ctypes.CDLL(None)
"""Python has no name for Linux's sync_file_range."""
_SYNC_FILE_RANGE_WRITE = 2
_STEP = 4 * 1024**2
"""Bytes after which the disk is asked to take what it has not yet."""


class HashingFile:
    """A file that knows the SHA-256 of what was written to it.

    The system would keep what is written in memory until publishing flushes all files at once, and the processors
    would wait for the disk at the end: a twentieth of a stage's time.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._hash = hashlib.sha256()
        self._kept_back = 0

    def write(self, data: bytes) -> int:
        """Write all of it."""
        view = memoryview(data)
        self._hash.update(view)
        while view:
            view = view[self._file.write(view) or 0 :]
        self._kept_back += len(data)
        if self._kept_back >= _STEP:
            self._start_flushing()
        return len(data)

    def sha256(self) -> str:
        """Hex, of what was written so far."""
        return self._hash.hexdigest()

    def tell(self) -> int:
        """Bytes written so far."""
        return self._file.tell()

    def flush(self) -> None:
        """Nothing: what was written has left this process."""

    def close(self) -> None:
        """Finish it."""
        if not self._file.closed:
            self._start_flushing()
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether it is finished."""
        return self._file.closed

    def _start_flushing(self) -> None:
        """Have the system begin to write what it holds, without waiting; publishing waits, and is told of failures."""
        _LIBC.sync_file_range(self._file.fileno(), ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE)
        self._kept_back = 0
