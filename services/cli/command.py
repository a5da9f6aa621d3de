"""What all commands share: options that are settings, --json, -v and -q, and an exit code for every end."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import Parameter, Signature
from typing import Annotated, Any, NamedTuple

import typer

from services.runtime.logs import configure_logs
from services.runtime.settings import Settings, load_settings, termination_log
from services.runtime.stage import guarded


class Call(NamedTuple):
    """How a command was called."""

    settings: Settings
    as_json: bool
    verbose: bool
    """Whether a failure is to show its traceback."""


Work = Callable[..., int]
"""What a command does: gets the call and its own options, returns the exit code."""


Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Verbose = Annotated[
    int, typer.Option("-v", "--verbose", count=True, show_default=False, help="Debug logs, and a traceback on failure.")
]
Quiet = Annotated[int, typer.Option("-q", "--quiet", count=True, show_default=False, help="Warnings and errors only.")]

# Not given is None, so that the environment counts.
_SETTINGS: dict[str, Any] = {
    "source": Annotated[str | None, typer.Option(help="Where drops arrive: a folder or s3://bucket/prefix.")],
    "lake": Annotated[str | None, typer.Option(help="Where results go: a folder or s3://bucket/prefix.")],
    "week": Annotated[
        str | None,
        typer.Option(
            metavar="YYYY-MM-DD|auto", help="One week; auto: all that need it (of a report or a push: the newest)."
        ),
    ],
    "force": Annotated[
        bool | None, typer.Option("--force", help="Publish a new generation even where nothing changed.")
    ],
    "workers": Annotated[int | None, typer.Option(help="Batches worked on at once; it changes no byte.")],
    "push_job": Annotated[str | None, typer.Option("--job", help="Job under which metrics are pushed.")],
}


def command(
    group: typer.Typer, *examples: str, settings: Sequence[str] = (), name: str | None = None
) -> Callable[[Work], Work]:
    """Make a function a command of the group; its options are its own parameters, these settings, and the shared."""

    def register(work: Work) -> Work:
        @wraps(work)
        def run(context: typer.Context, **options: Any) -> int:
            verbosity = (context.find_root().obj or 0) + options.pop("verbose") - options.pop("quiet")
            as_json = options.pop("as_json")
            given = {setting: options.pop(setting) for setting in settings}
            configure_logs(verbosity)
            return guarded(
                lambda: work(Call(load_settings(**given), as_json, verbosity > 0), **options),
                verbose=verbosity > 0,
                last_words=termination_log(),
            )

        _, *own = inspect.signature(work).parameters.values()
        shared = [
            *(_parameter(setting, _SETTINGS[setting], None) for setting in settings),
            _parameter("as_json", Json, default=False),
            _parameter("verbose", Verbose, 0),
            _parameter("quiet", Quiet, 0),
        ]
        context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        run.__signature__ = Signature([context, *own, *shared])  # type: ignore[attr-defined]  # typer reads it
        group.command(name, epilog=f"Examples:  {'  |  '.join(examples)}")(run)
        return work

    return register


def _parameter(name: str, annotation: Any, default: object) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
