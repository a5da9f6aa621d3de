"""A folder as a store: rename makes a file visible, flock keeps writers apart."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from services.contracts import layout
from services.contracts.errors import TemporaryError, UsageError
from services.lake.store import Body, ChangedError, Head, NotWrittenError, Object

log = structlog.get_logger()


class LocalStore:
    """Objects are files below a folder; an etag is a file's size and its modification time in ns."""

    largest_object: int | None = None

    def __init__(self, root: Path, *, create: bool = False) -> None:
        self.root = root.absolute()
        self.url = str(root)
        if create:
            _prepare(self.root)
        elif not self.root.is_dir():
            what = "it is a file, not a folder" if self.root.exists() else "there is no such folder"
            raise UsageError(f"{self.url}: {what}; check the path")

    def objects(self, prefix: str) -> list[Object]:
        """Every file whose key begins with the prefix, sorted by key."""
        found = []
        for folder, _, names in os.walk(self.root / prefix.rpartition("/")[0], onerror=_unlistable):
            for name in names:
                path = Path(folder, name)
                key = path.relative_to(self.root).as_posix()
                if key.startswith(prefix):
                    try:
                        stat = path.stat()
                    except FileNotFoundError:  # gone since, or a link to nowhere
                        continue
                    found.append(Object(key, _etag(stat), stat.st_size, stat.st_mtime))
        return sorted(found)

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below a prefix, sorted."""
        folder = self.root / prefix
        if not folder.is_dir():
            return []
        return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())

    def head(self, key: str) -> Head | None:
        """What is known of a file: its generation stands in it."""
        path = self.root / key
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        return Head(_etag(stat), _generation(path), None)

    def get(self, key: str) -> tuple[bytes, str] | None:
        """A small file and its etag."""
        try:
            with (self.root / key).open("rb") as file:
                return file.read(), _etag(os.fstat(file.fileno()))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def open(self, key: str, etag: str) -> pa.NativeFile:
        """A reader of the file; a file that is replaced while it is read stays readable as it was."""
        path = self.root / key
        try:
            file = pa.OSFile(str(path))
        except FileNotFoundError:
            raise ChangedError(key) from None
        except PermissionError as refused:
            raise UsageError(f"{path}: cannot be read ({refused.strerror}); check its permissions") from None
        if _etag(os.fstat(file.fileno())) != etag:
            raise ChangedError(key)
        return file

    def put(self, key: str, body: Body, expected: str | None) -> str:
        """Check the bytes, then rename them into place; `lock` makes check and rename one step."""
        path = self.root / key
        with full_disk_is_temporary(self.root):
            _make_folders(path.parent)
            made = self._beside(key, body)
            if file_sha256(made) != body.sha256:
                made.unlink()
                raise TemporaryError(f"{key}: its bytes changed between writing and publishing; run it again")
            current = self.head(key)
            if (current and current.etag) != expected:
                raise NotWrittenError(f"{key} is not the one that was seen")
            _sync(made)
            etag = _etag(made.stat())
            made.replace(path)
            _sync(path.parent)
        return etag

    def _beside(self, key: str, body: Body) -> Path:
        """The bytes as a file that a rename can publish."""
        if isinstance(body.content, Path) and body.content.is_relative_to(self.root):
            return body.content
        # One name per key: what a crash leaves behind is written over by the next run.
        made = self.root / layout.TEMPORARY / hashlib.sha256(key.encode()).hexdigest()
        made.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(body.content, Path):
            shutil.copyfile(body.content, made)
        else:
            made.write_bytes(body.content)
        return made

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the lock file of a stage and week; say so while waiting for another run."""
        path = self.root / key
        with full_disk_is_temporary(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("a")
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("waiting for another run of this stage and week", lock=key)
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def scratch_folder(self) -> Path | None:
        """On the lake's own file system, so that publishing is a rename."""
        return self.root / layout.TEMPORARY

    def folds_case(self) -> bool:
        """Whether names that differ only in case are one file here."""
        folder = self.root / layout.TEMPORARY
        folder.mkdir(parents=True, exist_ok=True)
        return folder.with_name(folder.name.upper()).exists()


@contextmanager
def full_disk_is_temporary(where: Path) -> Iterator[None]:
    """Turn the system's refusals to write into a sentence: a full disk may pass, a permission does not."""
    try:
        yield
    except OSError as failure:
        if is_full_disk(failure):
            raise TemporaryError(f"{where}: the disk is full; make room and run it again") from failure
        if failure.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise UsageError(
                f"{failure.filename or where}: cannot be written ({failure.strerror}); "
                "check the permissions or choose another place"
            ) from failure
        raise


def is_full_disk(failure: Exception) -> bool:
    """Whether this says that a disk is full; libraries that are not Python's say so in words."""
    numbers = (errno.ENOSPC, errno.EDQUOT)
    return getattr(failure, "errno", None) in numbers or any(os.strerror(n) in str(failure) for n in numbers)


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _prepare(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise UsageError(
            f"{root}: the lake cannot be made ({failure.strerror}); check the path or name another"
        ) from failure
    if not os.access(root, os.W_OK | os.X_OK):
        raise UsageError(f"{root}: the lake cannot be written; check its permissions or name another")


def _unlistable(failure: OSError) -> None:
    if not isinstance(failure, FileNotFoundError | NotADirectoryError):
        raise UsageError(f"{failure.filename}: cannot be listed ({failure.strerror}); check its permissions")


def _etag(stat: os.stat_result) -> str:
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def _generation(path: Path) -> int | None:
    try:
        if path.suffix == ".json":
            return int(orjson.loads(path.read_bytes())["generation"])
        return int((pq.read_metadata(path).metadata or {})[b"eventlog.generation"])
    except (KeyError, TypeError, ValueError, OSError, pa.ArrowException):
        return None  # not of this program, or broken


def _make_folders(folder: Path) -> None:
    """Make a folder and those above it; each new name is on disk before a file can be in it."""
    if not folder.exists():
        _make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
