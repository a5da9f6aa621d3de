"""Erasing one device: the only thing that removes rows from published weeks, with a proof of what it did.

Read it top to bottom: search, record, leave it out of each week that holds it, follow with clean and feature, search
again. It may be killed anywhere: what is recorded stays recorded, and a rerun finishes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import structlog
from rich.table import Table

from services.contracts import layout
from services.contracts.errors import NotReadyError, PipelineError, TemporaryError, UsageError, worst
from services.contracts.layout import Stage
from services.contracts.text import WHITE_SPACE
from services.control.device_search import Found, InSource, by_week_and_zone, holders, search_lake, search_source
from services.control.report.mend import mend_reports, reports_naming
from services.control.run import StageWork, attempt
from services.control.terminal import count, table
from services.lake.claim import read_claim
from services.lake.erasures import IsErased, drop_digest, drop_of, record_erasure
from services.lake.publish import Outcome, read_manifest
from services.lake.store import Store
from services.lake.weeks import known_weeks
from services.runtime.outcome import StageResult
from services.runtime.settings import Settings

log = structlog.get_logger()

_FILES_SHOWN = 20
"""Of a long list; the JSON has all."""


class Work(NamedTuple):
    """The stages that an erasure runs, each for a week."""

    rewrite: StageWork
    """Raw from itself; NotReadyError where only ingest can help."""
    ingest: StageWork
    """From the drop."""
    clean: StageWork
    feature: StageWork


@dataclass(frozen=True)
class ZoneRows:
    """Rows of one zone and week before and after."""

    week: str | None
    zone: str
    rows_before: int
    rows_of_device: int
    rows_after: int
    objects: int
    """Read by the last search."""
    left: int
    """Rows of the device that the last search found."""


@dataclass(frozen=True)
class Erased:
    """The proof: what was there, what was done, and what a search of everything found at the end."""

    lake: str
    device: str | None
    """How `_control/erasures.json` names it; None where nothing was recorded."""
    dry_run: bool
    zones: tuple[ZoneRows, ...]
    objects: int
    left: int
    holding: tuple[str, ...]
    """Published objects that still hold the device, and reports that name its hash."""
    in_source: InSource | None
    results: tuple[StageResult, ...]

    @property
    def exit_code(self) -> int:
        """The worst of all stages; what is left without a failure is a rerun's."""
        failed = worst([result.exit_code for result in self.results])
        return failed or (TemporaryError.exit_code if self.holding and not self.dry_run else 0)

    def to_json(self) -> dict[str, Any]:
        return {
            "lake": self.lake,
            "device": self.device,
            "dry_run": self.dry_run,
            "zones": [asdict(zone) for zone in self.zones],
            "objects": self.objects,
            "left": self.left,
            "holding": list(self.holding),
            "source": self.in_source._asdict() if self.in_source else None,
            "results": [result.to_json() for result in self.results],
            "exit_code": self.exit_code,
        }


def erase(
    settings: Settings,
    lake: Store,
    service_tag: str,
    work: Work,
    *,
    source: Callable[[], Store] | None = None,
    dry_run: bool = False,
    verbose: bool = False,
) -> Erased:
    """Erase a device; `source` opens the drops that are to be looked into, None where they are not to be."""
    tag = service_tag.strip(WHITE_SPACE)
    if not tag:
        raise UsageError("--service-tag: is blank; name one device")
    wanted: IsErased = tag.__eq__
    before = search_lake(lake, wanted, settings.workers)
    results: list[StageResult] = []
    device = None
    if not dry_run:
        _finish_earlier(lake, work)
        record = record_erasure(lake, tag, _drops_without(lake, before))
        device = record.device(tag)
        log.info("recorded", device=device, record=layout.ERASURES)
        results = list(_run(settings, lake, work, verbose=verbose))
        structlog.contextvars.clear_contextvars()
        mend_reports(settings, lake, tag)
    after = before if dry_run else search_lake(lake, wanted, settings.workers)
    holding = (*(found.key for found in holders(after)), *reports_naming(lake, tag))
    left = sum(found.wanted for found in after)
    in_source = _in_source(settings, source, wanted) if source else None
    return Erased(
        lake.url, device, dry_run, _zones(before, after), len(after), left, holding, in_source, tuple(results)
    )


def _run(settings: Settings, lake: Store, work: Work, *, verbose: bool) -> Iterator[StageResult]:
    """Each stage over all that it began, in the order of the stages; what is right already is left as it is."""
    for week in _begun(lake, "ingest"):
        yield attempt(settings, "ingest", week, _leave_out(work), verbose=verbose)
    for week in _begun(lake, "clean"):
        yield attempt(settings, "clean", week, work.clean, verbose=verbose)
    if read_claim(lake, layout.claim_key("feature", None))[1]:
        yield attempt(settings, "feature", None, work.feature, verbose=verbose)


def show(erased: Erased) -> list[Table | str]:
    """The proof as tables; it does not name the device, so that it can be kept."""
    done = "would be removed" if erased.dry_run else "removed"
    made = table(None, "week", "zone", "rows before", done, "rows after", "objects", "left", left=("week", "zone"))
    for zone in erased.zones:
        after = zone.rows_before - zone.rows_of_device if erased.dry_run else zone.rows_after
        shown = (zone.rows_before, zone.rows_of_device, after, zone.objects)
        left = "" if erased.dry_run else count(zone.left)
        made.add_row(zone.week or "all weeks", zone.zone, *(count(number) for number in shown), left)
    return [f"Lake {erased.lake}\n", made, *_stages(erased.results), *_said_of_source(erased.in_source), _last(erased)]


def _last(erased: Erased) -> str:
    if erased.dry_run:
        return f"\nNothing was changed. {erased.objects:,} published objects were read, {erased.left:,} rows are its."
    if erased.holding:
        held = "".join(f"\n  {key}" for key in erased.holding[:_FILES_SHOWN])
        return f"\n{erased.left:,} rows are LEFT after a search of {erased.objects:,} objects; run it again:{held}"
    return (
        f"\nA last search read the service_tag of every row of all {erased.objects:,} published objects: 0 left."
        f"\nRecorded in {layout.ERASURES} as {erased.device}: no later drop brings it back."
        "\nEarlier versions in a versioned bucket, and backups, hold it until their lifecycle removes them."
    )


def _stages(results: Sequence[StageResult]) -> list[Table | str]:
    if not results:
        return []
    made = table("\nRuns", "stage", "week", "outcome", "because", left=("stage", "week", "outcome"), prose=("because",))
    for result in results:
        made.add_row(result.stage, result.week or "", result.outcome, result.reason)
    return [made]


def _said_of_source(found: InSource | None) -> list[str]:
    if found is None:
        return ["\nThe source was not looked into."]
    lines = [f"\nSource {found.source}: {found.read:,} files read, {len(found.files):,} still hold the device"]
    lines += [f"  {key}: {rows:,} rows" for key, rows in found.files[:_FILES_SHOWN]]
    if len(found.files) > _FILES_SHOWN:
        lines.append(f"  and {len(found.files) - _FILES_SHOWN:,} more")
    if found.files:
        lines.append("  Drops are their sender's: ask for their removal there; ingest leaves the device out of them.")
    return lines + [f"  not looked into: {reason}" for reason in found.unreadable[:_FILES_SHOWN]]


def _zones(before: list[Found], after: list[Found]) -> tuple[ZoneRows, ...]:
    there, now = by_week_and_zone(before), by_week_and_zone(after)
    places = by_week_and_zone([*before, *after])
    return tuple(
        ZoneRows(
            week,
            zone,
            rows_before=sum(f.rows for f in there.get((week, zone), [])),
            rows_of_device=sum(f.wanted for f in there.get((week, zone), [])),
            rows_after=sum(f.rows for f in now.get((week, zone), [])),
            objects=len(now.get((week, zone), [])),
            left=sum(f.wanted for f in now.get((week, zone), [])),
        )
        for week, zone in places
    )


def _begun(lake: Store, stage: Stage) -> list[str]:
    """The weeks that a stage has published or begun: also what a sleeping run could still write is to be covered."""
    return [week for week in known_weeks(lake) if read_claim(lake, layout.claim_key(stage, week))[1]]


def _finish_earlier(lake: Store, work: Work) -> None:
    """Finish an erasure that was killed, while its generations can still be told from those of another drop."""
    for week in _begun(lake, "ingest"):
        try:
            work.rewrite(week)
        except PipelineError as waiting:  # the week's turn comes once more, and then it counts
            log.info("left for later", week=week, reason=str(waiting))


def _leave_out(work: Work) -> StageWork:
    def from_raw_or_drop(week: str | None) -> Outcome:
        try:
            return work.rewrite(week)
        except NotReadyError as only_ingest:
            log.info("running ingest from the drop", reason=str(only_ingest))
            return work.ingest(week)

    return from_raw_or_drop


def _drops_without(lake: Store, searched: Iterable[Found]) -> dict[str, str]:
    """The drops that were searched as they are published and do not hold the device: digest by week.

    A drop of which files were skipped was not searched whole.
    """
    without = {(found.key, found.etag) for found in searched if not found.wanted}
    drops = {}
    for week in _begun(lake, "ingest"):
        manifest = read_manifest(lake, "ingest", week)
        if (
            manifest
            and manifest.drop
            and not manifest.drop.skipped_files
            and all((o.key, o.etag) in without for o in manifest.outputs)
        ):
            drops[week] = drop_digest(drop_of(manifest))
    return drops


def _in_source(settings: Settings, source: Callable[[], Store], wanted: IsErased) -> InSource:
    try:
        return search_source(source(), wanted, settings.workers)
    except UsageError as unreachable:
        return InSource(settings.source, (), 0, (str(unreachable),))
