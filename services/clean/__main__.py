"""The container's door: `python -m services.clean --week 2024-05-10`."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.lake.publish import Outcome
    from services.runtime.settings import Settings


def _run(settings: "Settings") -> "Outcome":
    from services.clean.job import clean  # after the first log line
    from services.lake.store import open_store

    return clean(settings, open_store(settings.lake), settings.week)


if __name__ == "__main__":
    from services.runtime.door import stage_door  # the Python kernel's processes import this module too, not the door

    sys.exit(stage_door("clean", _run, sys.argv[1:]))
