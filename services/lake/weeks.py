"""Which weeks a lake has, and the manifests of one."""

from typing import NamedTuple

from services.contracts import layout
from services.contracts.layout import Stage
from services.contracts.manifest import Manifest
from services.lake.claim import read_claim
from services.lake.publish import read_manifest
from services.lake.store import Store


class Week(NamedTuple):
    """A week's manifests; None where the stage has not published it."""

    week: str
    ingest: Manifest | None
    clean: Manifest | None


def known_weeks(lake: Store) -> list[str]:
    """Every week that ingest or clean has published or begun, oldest first."""
    objects = [o for stage in ("ingest", "clean") for o in lake.objects(f"_control/{stage}/")]
    # A run that found no drop leaves its lock and nothing else.
    weeks = {layout.week_of_control(o.key) for o in objects if not o.key.endswith("/lock")}
    return sorted(week for week in weeks if week and layout.is_week(week))


def strangers(lake: Store) -> list[str]:
    """Objects in the zones that no manifest and no claim names: readers of the zones would take them for data."""
    stages: list[tuple[Stage, str | None]] = [("feature", None)]
    for week in known_weeks(lake):
        stages += [("ingest", week), ("clean", week)]
    ours: set[str] = set()
    for stage, name in stages:
        manifest, (claim, _) = read_manifest(lake, stage, name), read_claim(lake, layout.claim_key(stage, name))
        ours.update(claim.keys, (o.key for o in manifest.outputs) if manifest else ())
    return [o.key for zone in layout.ZONES for o in lake.objects(f"{zone}/") if o.key not in ours]


def read_week(lake: Store, week: str) -> Week:
    return Week(week, read_manifest(lake, "ingest", week), read_manifest(lake, "clean", week))
