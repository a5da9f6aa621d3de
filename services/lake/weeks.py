"""Which weeks a lake has, and the manifests of one."""

from typing import NamedTuple

from services.contracts import layout
from services.contracts.manifest import Manifest
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


def read_week(lake: Store, week: str) -> Week:
    return Week(week, read_manifest(lake, "ingest", week), read_manifest(lake, "clean", week))
