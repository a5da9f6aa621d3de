"""What a lake (or a source) is: named objects with etags, conditional writes, nothing else.

`services.lake.local` and `services.lake.s3` are the two kinds; `open_store` picks one by the URL.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa

from services.contracts.errors import UsageError


class Object(NamedTuple):
    """An object as a listing shows it."""

    key: str
    etag: str
    size: int
    modified: float
    """Seconds since 1970, by the store's clock."""


class Head(NamedTuple):
    """What is known of one object without reading it."""

    etag: str
    generation: int | None
    """Of the run that published it; None for an object that this program did not write."""
    sha256: str | None
    """Hex; None where the store does not keep it."""


class Body(NamedTuple):
    """Bytes on their way into a store."""

    content: bytes | Path
    sha256: str
    """Hex, computed while the bytes were made; the store refuses others."""
    generation: int


class ChangedError(Exception):
    """An object is not, or no longer, the one that was asked for by its etag."""


class NotWrittenError(Exception):
    """A conditional write was refused, or nobody knows whether it took effect: look again, then decide."""


class Store(Protocol):
    """Objects by key. Every method may raise UsageError or TemporaryError, with a sentence for the user."""

    url: str
    largest_object: int | None
    """Bytes that one conditional write takes; None: no limit of its own."""

    def objects(self, prefix: str) -> list[Object]:
        """Every object whose key begins with the prefix, sorted by key."""

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below a prefix that is empty or ends in a slash, sorted."""

    def head(self, key: str) -> Head | None:
        """What is known of an object; None where there is none."""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """A small object and its etag; None where there is none."""

    def open(self, key: str, etag: str) -> pa.NativeFile:
        """A seekable reader of exactly this object; ChangedError, now or while reading, where it changed."""

    def put(self, key: str, body: Body, expected: str | None) -> str:
        """Write if the object's etag is the expected one (None: if there is no object); the new etag.

        NotWrittenError where the condition failed or the outcome is not known.
        """

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Keep other writers out, where the store can; a crash releases it."""

    def folds_case(self) -> bool:
        """Whether keys that differ only in case are one object here."""

    def scratch_folder(self) -> Path | None:
        """Where this store wants files to be made that it will publish; None: anywhere."""


def is_there(url: str) -> bool:
    """Whether a local folder is there; a bucket says so itself when it is opened."""
    return url.startswith("s3://") or Path(url.removeprefix("file://")).exists()


def open_store(url: str, *, create: bool = False) -> Store:
    """The store at a folder or `s3://bucket/prefix`; `create` makes a local folder that is not there."""
    if url.startswith("s3://"):
        from services.lake.s3 import S3Store  # boto3 takes 0.2 s to import; a local run does without

        return S3Store(url)
    if ("://" in url or url.startswith("s3:")) and not url.startswith("file://"):
        raise UsageError(f"{url}: only a folder or s3://bucket/prefix can be a source or a lake")
    from services.lake.local import LocalStore

    return LocalStore(Path(url.removeprefix("file://")), create=create)
