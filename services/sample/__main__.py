"""The container's door to a sample drop: `python -m services.sample --source s3://bucket/drops --rows 2000`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.contracts.errors import UsageError
from services.runtime.door import OneSentence
from services.runtime.logs import configure_logs
from services.runtime.settings import load_settings, termination_log
from services.runtime.stage import guarded


def main(arguments: Sequence[str]) -> int:
    """Parse, make the drops, name each file on a line of stdout; the exit code."""
    given = vars(_parser().parse_args(arguments))
    configure_logs(0)
    return guarded(lambda: _make(given), verbose=False, last_words=termination_log())


def _make(given: dict[str, Any]) -> int:
    from services.sample.drop import SampleSpec
    from services.sample.upload import write_sample

    weeks = tuple(week.strip() for week in given["weeks"].split(","))
    settings = load_settings(source=given["source"], workers=given["workers"])
    try:
        spec = SampleSpec(given["rows"], weeks, given["devices"], given["seed"], given["files"])
        written = write_sample(spec, settings, given["answers"])
    except (ValueError, FileExistsError) as wrong:
        raise UsageError(str(wrong)) from wrong
    sys.stdout.write("".join(f"{file}\n" for file in written))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = OneSentence(
        prog="python -m services.sample", description="Make a realistic drop in the source.", allow_abbrev=False
    )
    parser.add_argument("--source", help="where drops arrive (EVENTLOG_SOURCE)")
    parser.add_argument("--rows", type=int, default=200_000, help="of each week")
    parser.add_argument("--weeks", default="2024-05-10,2024-05-17", help="names of the drops, comma-separated")
    parser.add_argument("--devices", type=int, default=2_000, help="notebooks in the fleet")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes")
    parser.add_argument("--files", type=int, default=4, help="of each week")
    parser.add_argument("--answers", type=Path, help="folder for what a right pipeline must find")
    parser.add_argument("--workers", help="files made at once (EVENTLOG_WORKERS)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
