"""The container's door: `python -m services.ingest --week 2024-05-10`."""

import sys
from typing import TYPE_CHECKING

from services.runtime.door import stage_door
from services.runtime.settings import Settings

if TYPE_CHECKING:
    from services.lake.publish import Outcome


def _run(settings: Settings) -> "Outcome":
    from services.ingest.job import ingest  # after the first log line
    from services.lake.store import open_store

    source = open_store(settings.source)
    return ingest(settings, source, open_store(settings.lake, create=True), settings.week)


if __name__ == "__main__":
    sys.exit(stage_door("ingest", _run, sys.argv[1:]))
