"""The container's door to what reads a lake: `python -m services.control plan | status | report | doctor`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.control import doors
from services.runtime.door import OneSentence, settings_options
from services.runtime.logs import configure_logs
from services.runtime.settings import load_settings, termination_log
from services.runtime.stage import guarded

_COMMANDS = {
    "plan": (doors.show_plan, "what a run would do, and why; writes nothing but its outputs"),
    "verdict": (doors.show_verdict, "the last word on a workflow, for its exit handler"),
    "status": (doors.show_status, "what is published of every week"),
    "report": (doors.show_report, "one week in full"),
    "doctor": (doors.show_doctor, "check a store before it is trusted"),
    "bucket": (doors.make_buckets, "make the buckets of source and lake where they are missing"),
}
_PLAN = {
    "first": ("--from", "first week of a backfill, YYYY-MM-DD"),
    "last": ("--to", "its last week"),
    "dry_run": ("--dry-run", "true: show the weeks, but leave an empty list of them"),
}
_REPORT: dict[str, dict[str, Any]] = {
    "html": {"type": Path, "metavar": "FILE", "help": "write the week as one HTML page"},
    "publish": {"action": "store_true", "help": "put page and JSON into the lake, of every week that needs it"},
}


def main(arguments: Sequence[str]) -> int:
    """Parse, run one command; the exit code."""
    given = vars(_parser().parse_args(arguments))
    work, _ = _COMMANDS[given.pop("command")]
    verbosity, as_json = given.pop("verbose") - given.pop("quiet"), given.pop("json")
    own = {name: given.pop(name) for name in (*_PLAN, *_REPORT) if name in given}
    configure_logs(verbosity)
    return guarded(
        lambda: work(load_settings(**given), as_json=as_json, **own),
        verbose=verbosity > 0,
        last_words=termination_log(),
    )


def _parser() -> argparse.ArgumentParser:
    parser = OneSentence(prog="python -m services.control", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar=" | ".join(_COMMANDS))
    for name, (_, meaning) in _COMMANDS.items():
        command = commands.add_parser(name, help=meaning, description=meaning, allow_abbrev=False)
        settings_options(command)
        command.add_argument("--json", action="store_true", help="one JSON document on stdout")
        if name == "plan":
            for own, (option, what) in _PLAN.items():
                command.add_argument(option, dest=own, help=what)
            command.add_argument("--outputs", help="folder for the list of weeks to run (EVENTLOG_OUTPUTS)")
        if name == "report":
            for own, how in _REPORT.items():
                command.add_argument(f"--{own}", **how)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
