"""Bringing one object to a generation: look, write on condition, look again when nobody knows what happened."""

import hashlib
import time
from collections.abc import Callable

from services.contracts.errors import TemporaryError
from services.lake.store import Body, NotWrittenError, Store

_MAX_LOOKS = 12
"""Looks at one key before giving up: a store that never says whether a write took effect is down."""
_PATIENCE = 35.0
"""Seconds after which no further look begins; with the last request's own timeout it stays under a minute."""


class StartOver(Exception):  # noqa: N818  (nothing is wrong, the run goes on)
    """Somebody else moved on; look at everything again."""


def write_object(store: Store, key: str, body: Body) -> str:
    """Write the object unless this generation of it is there already; its etag.

    StartOver where a newer generation is there, TemporaryError where the store keeps failing.
    """

    def look_and_write() -> str:
        head = store.head(key)
        if head and head.generation is not None and head.generation > body.generation:
            raise StartOver(f"{key} is newer")
        if head and head.generation == body.generation:
            return head.etag
        return store.put(key, body, head.etag if head else None)

    return persist(store, key, look_and_write)


def persist(store: Store, key: str, attempt: Callable[[], str]) -> str:
    """Attempt until it says the etag; TemporaryError after too many NotWrittenErrors or too long a time."""
    began = time.monotonic()
    for look in range(_MAX_LOOKS):
        try:
            return attempt()
        except NotWrittenError as refused:
            last = refused
        if time.monotonic() - began > _PATIENCE:
            break
        if look > 1:
            time.sleep(min(0.1 * 2**look, 5.0))
    raise TemporaryError(f"{store.url}: writing {key} keeps failing ({last}); run it again later")


def json_body(content: bytes, generation: int) -> Body:
    """A claim or manifest on its way into a store."""
    return Body(content, hashlib.sha256(content).hexdigest(), generation)
