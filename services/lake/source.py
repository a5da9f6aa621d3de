"""A source as it lies there: which weeks it has, which files a drop has, whether it is complete.

Nothing here reads a file, so that planning needs no more than a listing.
"""

import time
from collections.abc import Callable

import structlog

from services.contracts import layout
from services.contracts.errors import NotReadyError
from services.contracts.source import is_source_file
from services.lake.publish import Inputs
from services.lake.store import Store

log = structlog.get_logger()


def list_weeks(source: Store) -> list[str]:
    """The weeks that have a folder in the source, oldest first; other folders are named in the log."""
    folders = source.folders("")
    weeks = [name for name in folders if layout.is_week(name)]
    for name in sorted(set(folders) - set(weeks)):
        log.debug("skipping a folder that is not a date", folder=name)
    return weeks


def list_drop(source: Store, week: str, settle_seconds: int, now: Callable[[], float] = time.time) -> Inputs:
    """The drop's files with their etags; NotReadyError when it is not there, empty, or still arriving."""
    prefix = f"{week}/"
    objects = [o for o in source.objects(prefix) if "/" not in o.key.removeprefix(prefix)]
    if not objects and week not in source.folders(""):
        raise NotReadyError(f"{source.url}/{week}: there is no such drop; check --source and --week, or wait for it")
    taken = [o for o in objects if is_source_file(o.key.removeprefix(prefix))]
    for other in sorted({o.key for o in objects} - {o.key for o in taken}):
        log.info("not a source file", file=other)
    if not taken:
        raise NotReadyError(f"{source.url}/{week}: no file ends in .parquet; the drop has not arrived yet")
    age = now() - max(o.modified for o in taken)
    if age < settle_seconds:
        raise NotReadyError(
            f"{source.url}/{week}: its newest file is {max(age, 0):.0f} s old and the drop may still be arriving; "
            f"run again in {settle_seconds - age:.0f} s (EVENTLOG_SETTLE_SECONDS={settle_seconds})"
        )
    return Inputs(tuple((o.key, o.etag, o.size) for o in taken))
