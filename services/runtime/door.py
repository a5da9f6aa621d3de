"""The container's door: `python -m services.<stage>` for one week; imports little before its first log line."""

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from services.contracts.errors import UsageError
from services.contracts.layout import Stage
from services.runtime.logs import configure_logs
from services.runtime.outcome import run_stage
from services.runtime.settings import Settings, load_settings, termination_log
from services.runtime.stage import guarded, say_last_words

if TYPE_CHECKING:
    from services.lake.publish import Outcome  # pyarrow takes longer to import than all the rest


def stage_door(stage: Stage, work: Callable[[Settings], "Outcome"], arguments: Sequence[str]) -> int:
    """Parse, run one stage, write its result as one line of JSON to stdout; the exit code."""
    given = vars(_parser(stage).parse_args(arguments))
    verbosity = given.pop("verbose") - given.pop("quiet")
    configure_logs(verbosity)
    gc.freeze()  # what was imported stays: no collection need look through it, nor the one at the end

    def run() -> int:
        settings = load_settings(**given)
        week = None if stage == "feature" else settings.week
        if week == "auto":
            raise UsageError(
                f"--week: {stage} in a container is for one week; name it (YYYY-MM-DD), or use `eventlog run` for all"
            )
        result = run_stage(settings, stage, week, lambda: work(settings))
        sys.stdout.write(orjson.dumps(result.to_json(), option=orjson.OPT_APPEND_NEWLINE).decode())
        sys.stdout.flush()
        return result.exit_code

    return guarded(run, verbose=verbosity > 0, last_words=termination_log())


class OneSentence(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence, to Kubernetes too."""

    def error(self, message: str) -> NoReturn:
        sentence = f"{self.prog}: {message}; see `{self.prog} --help`"
        say_last_words(termination_log(), sentence)
        self.exit(2, sentence + "\n")


def settings_options(parser: argparse.ArgumentParser) -> None:
    """The options that every door has; each is a setting too."""
    for name in ("source", "lake", "week"):
        parser.add_argument(f"--{name}", help=_meaning(name))
    parser.add_argument("--force", nargs="?", const="true", metavar="true|false", help=_meaning("force"))
    parser.add_argument("--workers", help=_meaning("workers"))
    parser.add_argument("-v", "--verbose", action="count", default=0, help="debug logs, and a traceback on failure")
    parser.add_argument("-q", "--quiet", action="count", default=0, help="warnings and errors only")


def _meaning(name: str) -> str:
    text: Any = Settings.model_fields[name].description
    return " ".join(f"{text} (EVENTLOG_{name.upper()})".split()).replace("%", "%%")


def _parser(stage: Stage) -> argparse.ArgumentParser:
    parser = OneSentence(
        prog=f"python -m services.{stage}",
        description=(
            "Features of the newest weeks, whichever --week says."
            if stage == "feature"
            else f"{stage.capitalize()} one week, which has to be named."
        ),
        allow_abbrev=False,
    )
    settings_options(parser)
    return parser
