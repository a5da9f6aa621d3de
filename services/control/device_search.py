"""Looking for one device in every published object, and in the drops of a source."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pyarrow as pa

from services.contracts import layout
from services.contracts.errors import NotReadyError, PipelineError
from services.contracts.source import is_source_file
from services.lake.device_rows import RowsOf, rows_in_drop, rows_in_lake
from services.lake.erasures import IsErased
from services.lake.source import list_weeks
from services.lake.store import ChangedError, Store

_TRIES = 5
"""Readings of an object that is published again meanwhile."""


class Found(NamedTuple):
    """What was seen of one published object."""

    key: str
    etag: str
    rows: int
    wanted: int
    """Rows of the device."""

    @property
    def zone(self) -> str:
        return self.key.partition("/")[0]

    @property
    def week(self) -> str | None:
        """None for the feature tables, which are over all weeks."""
        return None if self.zone == "feature" else layout.week_of_zone(self.key)


class InSource(NamedTuple):
    """What the source still holds of the device: it is not this pipeline's to change."""

    source: str
    files: tuple[tuple[str, int], ...]
    """Files that hold it, with the number of rows."""
    read: int
    unreadable: tuple[str, ...]
    """Files, or the whole source, that could not be looked into, with the reason."""


def search_lake(lake: Store, is_wanted: IsErased, workers: int) -> list[Found]:
    """Read whose rows every object under the zones holds, whether a manifest names it or not."""
    objects = [o for zone in layout.ZONES for o in lake.objects(f"{zone}/")]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda o: _look(lake, o.key, o.etag, is_wanted), objects))


def search_source(source: Store, is_wanted: IsErased, workers: int) -> InSource:
    """Read whose rows every source file holds; one that cannot be read is named."""
    files = [o for week in list_weeks(source) for o in source.objects(f"{week}/") if _is_of_a_drop(o.key)]
    with ThreadPoolExecutor(workers) as pool:
        seen = list(pool.map(lambda o: _look_into_drop(source, o.key, o.etag, is_wanted), files))
    looked = {file.key: rows for file, rows in zip(files, seen, strict=True)}
    held = tuple((key, rows.wanted) for key, rows in looked.items() if isinstance(rows, RowsOf) and rows.wanted)
    unreadable = tuple(f"{key}: {why}" for key, why in looked.items() if isinstance(why, str))
    return InSource(source.url, held, len(files) - len(unreadable), unreadable)


def by_week_and_zone(found: Iterable[Found]) -> dict[tuple[str | None, str], list[Found]]:
    """The objects of each week and zone; the features come last."""
    places: dict[tuple[str | None, str], list[Found]] = {}
    for one in sorted(found, key=lambda f: (f.week is None, f.week or "", layout.ZONES.index(f.zone), f.key)):
        places.setdefault((one.week, one.zone), []).append(one)
    return places


def _look(lake: Store, key: str, etag: str | None, is_wanted: IsErased) -> Found:
    for _ in range(_TRIES):
        if etag is None:
            break
        try:
            rows = rows_in_lake(lake, key, etag, is_wanted)
        except ChangedError:
            head = lake.head(key)
            etag = head.etag if head else None
        else:
            return Found(key, etag, *rows)
    raise NotReadyError(f"{lake.url}: {key} is being published again, over and over; run it again when that has ended")


def _is_of_a_drop(key: str) -> bool:
    """Whether a key of a source is a direct child of its week's folder that ingest reads."""
    name = key.partition("/")[2]
    return is_source_file(name)


def _look_into_drop(source: Store, key: str, etag: str, is_wanted: IsErased) -> RowsOf | str:
    """What a file holds, or why that cannot be said."""
    try:
        return rows_in_drop(source, key, etag, is_wanted)
    except (OSError, KeyError, UnicodeDecodeError, pa.ArrowException, PipelineError, ChangedError) as unreadable:
        return f"{type(unreadable).__name__}: {(str(unreadable).splitlines() or [''])[0]}"


def holders(found: Iterable[Found]) -> Iterator[Found]:
    """Those that hold the device."""
    return (one for one in found if one.wanted)
