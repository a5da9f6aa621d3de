"""The container's door: `python -m services.feature`."""

import sys
from typing import TYPE_CHECKING

from services.runtime.door import stage_door
from services.runtime.settings import Settings

if TYPE_CHECKING:
    from services.lake.publish import Outcome


def _run(settings: Settings) -> "Outcome":
    from services.feature.job import feature  # after the first log line
    from services.lake.store import open_store

    return feature(settings, open_store(settings.lake))


if __name__ == "__main__":
    sys.exit(stage_door("feature", _run, sys.argv[1:]))
