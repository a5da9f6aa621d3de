"""The page and the JSON of a week into the lake, where a browser and the next program find them."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import orjson
import structlog

from services.contracts import layout
from services.contracts.errors import PipelineError
from services.control.report.facts import Report
from services.control.report.gather import WEEKS_READ, read_published, report_of
from services.control.report.page import page
from services.lake.store import Store
from services.lake.weeks import known_weeks
from services.lake.write import json_body, persist
from services.runtime.settings import Settings

log = structlog.get_logger()

_READERS = 8
"""Weeks looked at together: on S3 each look is a round trip."""


def publish_due(settings: Settings, lake: Store) -> list[str]:
    """Publish what a run may have changed; the weeks that were looked at.

    These are the weeks that were published since their report was made, the week that the settings name, and the
    newest one, whose report tells of the features too. Older reports stay as they were: they say what was known then.
    """
    known = known_weeks(lake)
    with ThreadPoolExecutor(_READERS) as pool:
        stamps = dict(zip(known, pool.map(partial(_stamps, lake), known), strict=True))
    published = [week for week in known if stamps[week].files]
    due = [w for w in published if w in (settings.week, published[-1]) or stamps[w].files != stamps[w].report]
    if not due:
        return due
    weeks = read_published(lake, published[max(0, published.index(due[0]) - WEEKS_READ + 1) :])
    for place, week in enumerate(weeks):
        if week.manifests.week in due:
            publish(lake, report_of(settings, lake, weeks[max(0, place - WEEKS_READ + 1) : place + 1]))
    return due


def publish_after_run(settings: Settings, lake: Store) -> None:
    """The same at the end of a run, whose files are published by then: what fails is said and fails nothing."""
    try:
        publish_due(settings, lake)
    except PipelineError as failure:
        log.warning("a report was not published; `eventlog report --publish` tries again", reason=str(failure))


def publish(lake: Store, report: Report) -> None:
    """Write the week's page and JSON where they differ from what is there; a newer report stays.

    The page comes first: the JSON says which generation of the week both tell of.
    """
    key = layout.report_key(report.week, "json")
    with lake.lock(layout.report_lock_key(report.week)):
        head = lake.head(key)
        if head and (head.generation or 0) > report.generation:
            return
        changed = _write(lake, layout.report_key(report.week, "html"), page(report).encode(), report.generation)
        changed = _write(lake, key, report_json(report), report.generation) or changed
    if changed:
        log.info("report published", week=report.week, key=layout.report_key(report.week, "html"))


def report_json(report: Report) -> bytes:
    """The report for machines."""
    return orjson.dumps(report.to_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


class _Stamps(NamedTuple):
    """The generation of a week's files (of ingest and clean together) and of the files that its report tells of."""

    files: int
    report: int


def _stamps(lake: Store, week: str) -> _Stamps:
    heads = [lake.head(layout.manifest_key(stage, week)) for stage in ("ingest", "clean")]
    report = lake.head(layout.report_key(week, "json"))
    return _Stamps(sum(h.generation or 0 for h in heads if h), (report.generation or 0) if report else 0)


def _write(lake: Store, key: str, content: bytes, generation: int) -> bool:
    """Write the object unless it is there already, byte for byte; whether it was written."""
    written = False

    def attempt() -> str:
        nonlocal written
        found = lake.get(key)
        if found and found[0] == content:
            return found[1]
        etag = lake.put(key, json_body(content, generation), found[1] if found else None)
        written = True
        return etag

    persist(lake, key, attempt)
    return written
