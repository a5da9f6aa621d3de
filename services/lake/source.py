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

_NAMED = 5
"""Files passed over that are named; of more only the number is said."""


def list_weeks(source: Store) -> list[str]:
    """The weeks that have a folder in the source, oldest first; other folders are named in the log."""
    folders = source.folders("")
    weeks = [name for name in folders if layout.is_week(name)]
    for name in sorted(set(folders) - set(weeks)):
        log.info("skipping a folder that is not a date", folder=name)
    return weeks


def list_drop(source: Store, week: str, settle_seconds: int, now: Callable[[], float] = time.time) -> Inputs:
    """The drop's files with their etags; NotReadyError when it is not there, empty, or still arriving."""
    prefix = f"{week}/"
    below = source.objects(prefix)
    if not below and week not in source.folders(""):
        raise NotReadyError(f"{source.url}/{week}: there is no such drop; check --source and --week, or wait for it")
    taken = [o for o in below if is_source_file(o.key.removeprefix(prefix))]
    if not taken:
        nested = [o.key for o in below if o.key.endswith(".parquet")]
        raise NotReadyError(
            f"{source.url}/{week}: no file ends in .parquet; the drop has not arrived yet"
            if not nested
            else f"{source.url}/{week}: its files lie in folders, such as {nested[0]}; put them into the drop's own"
        )
    age = now() - max(o.modified for o in taken)
    if age < settle_seconds:
        raise NotReadyError(
            f"{source.url}/{week}: its newest file is {max(age, 0):.0f} s old and the drop may still be arriving; "
            f"run again in {settle_seconds - age:.0f} s (EVENTLOG_SETTLE_SECONDS={settle_seconds})"
        )
    return Inputs(tuple((o.key, o.etag, o.size) for o in taken))


def name_passed_over(source: Store, week: str) -> None:
    """Say which files below a drop's folder are not part of it: loudly of Parquet, which the sender may have meant."""
    prefix = f"{week}/"
    others = [o.key for o in source.objects(prefix) if not is_source_file(o.key.removeprefix(prefix))]
    meant = [key for key in others if key.lower().endswith(".parquet") and not key.rpartition("/")[2].startswith("_")]
    if meant:
        log.warning("Parquet files that are not part of the drop", first=meant[:_NAMED], files=len(meant))
    if rest := [key for key in others if key not in meant]:
        log.info("files that are not part of the drop", first=rest[:_NAMED], files=len(rest))
