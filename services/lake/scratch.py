"""Local disk for one run: made at its start, gone at its end, and after a crash removed by the next run."""

import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from services.contracts.errors import TemporaryError
from services.lake.local import full_disk_is_temporary, is_full_disk
from services.lake.store import Store

_PREFIX = "eventlog-run-"


@contextmanager
def scratch(store: Store, chosen: Path | None) -> Iterator[Path]:
    """A folder of this run's own: beside a local lake, else in the chosen folder or the system's."""
    root = store.scratch_folder() or chosen or Path(tempfile.gettempdir())
    folder = root / f"{_PREFIX}{uuid.uuid4().hex}"
    with full_disk_is_temporary(root):
        root.mkdir(parents=True, exist_ok=True)
        with _alone(root):
            _remove_leftovers(root)
            folder.mkdir()
            lock = (folder / "lock").open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
    with lock:
        try:
            yield folder
        except Exception as failure:
            if is_full_disk(failure) and not isinstance(failure, TemporaryError):
                raise TemporaryError(f"{root}: the disk is full; make room and run it again") from failure
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def require_room(folder: Path, needed: int) -> None:
    """TemporaryError, saying how much is needed, when the disk has less."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise TemporaryError(
            f"{folder}: about {needed / 1e9:.1f} GB of scratch are needed and {free / 1e9:.1f} GB are free; "
            "make room or name another folder by EVENTLOG_SCRATCH"
        )


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Only one process at a time: a folder that is not locked yet looks like one whose run is dead."""
    handle = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def spilling(path: Path, schema: pa.Schema) -> Iterator[pa.ipc.RecordBatchFileWriter]:
    """A writer of an Arrow file on scratch."""
    with full_disk_is_temporary(path), pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as out:
        yield out


def _remove_leftovers(root: Path) -> None:
    """Remove the folders whose run is dead: its lock went with it."""
    for folder in root.glob(f"{_PREFIX}*"):
        try:
            with (folder / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # its run lives, or it is another user's
            continue


def mapped(rows: pa.Table, folder: Path) -> pa.ChunkedArray:
    """The rows of a table as memory-mapped structs: to hold many small slices of them costs next to nothing.

    Their file has no name any more, and is gone once nobody holds any of them.
    """
    path = folder / f"{uuid.uuid4().hex}.arrow"
    rows = rows.unify_dictionaries()
    with spilling(path, rows.schema) as out:
        out.write_table(rows)
    found = pa.ipc.open_file(pa.memory_map(str(path)))
    path.unlink()
    batches = [found.get_batch(place) for place in range(found.num_record_batches)]
    return pa.chunked_array([batch.to_struct_array() for batch in batches], pa.struct(list(rows.schema)))
