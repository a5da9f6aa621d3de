"""The container's door: `python -m services.clean --week 2024-05-10`."""

import sys
from typing import TYPE_CHECKING

from services.runtime.door import stage_door
from services.runtime.settings import Settings

if TYPE_CHECKING:
    from services.lake.publish import Outcome


def _run(settings: Settings) -> "Outcome":
    from services.clean.job import clean  # after the first log line
    from services.lake.store import open_store

    return clean(settings, open_store(settings.lake), settings.week)


if __name__ == "__main__":
    sys.exit(stage_door("clean", _run, sys.argv[1:]))
