"""`eventlog`: every command, one call each; what a command needs is imported in it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from services.cli.command import Call, Quiet, Verbose, command
from services.cli.stages import erasure_stages, run_stages
from services.contracts.errors import UsageError
from services.contracts.layout import STAGES
from services.lake.store import open_store
from services.runtime.settings import describe
from services.runtime.stage import program_version

app = typer.Typer(
    name="eventlog",
    help="Weekly drops of device event logs become trusted clean data and features per device.",
    no_args_is_help=True,
    epilog="Places and limits are settings too, EVENTLOG_…: see `eventlog config show`. Start with `eventlog run`.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config = typer.Typer(help="The settings of this program.", rich_markup_mode=None)
app.add_typer(config, name="config")
metrics = typer.Typer(help="What the Pushgateway (EVENTLOG_PUSHGATEWAY) holds of this pipeline.", rich_markup_mode=None)
app.add_typer(metrics, name="metrics")

Device = Annotated[str, typer.Option(metavar="TAG", help="The device.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """The `eventlog` command: every end has an exit code, a usage error is one sentence."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(given or ["--help"], prog_name="eventlog", standalone_mode=False)
    except TyperException as wrong:
        context = getattr(wrong, "ctx", None)
        command = context.command_path if context else "eventlog"
        sys.stderr.write(f"{command}: {_one_line(wrong.format_message())} See `{command} --help`.\n")
        code = wrong.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code or 0)


@app.callback()
def eventlog(
    context: typer.Context,
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and exit.",
            callback=lambda shown: _show_version(shown=shown),
            is_eager=True,
        ),
    ] = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> None:
    """Hand the verbosity on to the command."""
    context.obj = verbose - quiet


@command(
    app,
    "eventlog run",
    "eventlog run --source drops --lake s3://bucket/lake --week 2024-05-10",
    settings=("source", "lake", "week", "force", "workers"),
)
def run(call: Call) -> int:
    """Bring everything up to date: ingest and clean each drop that needs it, oldest first, then the features."""
    return run_stages(call, STAGES)


@command(
    app,
    "eventlog ingest --week 2024-05-10",
    "eventlog ingest --source s3://bucket/drops",
    settings=("source", "lake", "week", "force", "workers"),
)
def ingest(call: Call) -> int:
    """Partition drops by week and pn, clustered by device."""
    return run_stages(call, ("ingest",))


@command(
    app,
    "eventlog clean --week 2024-05-10",
    "eventlog clean --force",
    settings=("lake", "week", "force", "workers"),
)
def clean(call: Call) -> int:
    """Find when each raw event really happened and merge re-sends; auto: every week that has been ingested."""
    return run_stages(call, ("clean",))


@command(
    app,
    "eventlog feature",
    "EVENTLOG_FEATURE_WEEKS=0 eventlog feature --json",
    settings=("lake", "force", "workers"),
)
def feature(call: Call) -> int:
    """Summarise each device over the newest clean weeks and extract the errors."""
    return run_stages(call, ("feature",))


@command(
    app,
    "eventlog plan",
    "eventlog plan --week 2024-05-10 --json",
    settings=("source", "lake", "week", "force"),
)
def plan(call: Call) -> int:
    """Say what a run would do, and why; writes nothing."""
    from services.control.doors import show_plan

    return show_plan(call.settings, as_json=call.as_json)


@command(app, "eventlog status", "eventlog status --lake s3://bucket/lake --json", settings=("lake", "week"))
def status(call: Call) -> int:
    """Show what is published of every week."""
    from services.control.doors import show_status

    return show_status(call.settings, as_json=call.as_json)


@command(app, "eventlog report", "eventlog report --week 2024-05-10 --html report.html", settings=("lake", "week"))
def report(
    call: Call,
    *,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the week as one HTML page.")] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Put the page and its JSON into the lake, of every week that needs it.")
    ] = False,
) -> int:
    """Show one week in full, by default the newest."""
    from services.control.doors import show_report

    return show_report(call.settings, as_json=call.as_json, html=html, publish=publish)


@command(app, 'eventlog accept --week 2024-05-10 --reason "a second plant sends since May"', settings=("lake", "week"))
def accept(call: Call, *, reason: Annotated[str, typer.Option(help="Why, for whoever reads it in a year.")]) -> int:
    """Say that what was found in a week, named by --week, is real growth: its alerts end and it counts as ordinary."""
    from services.control.doors import show_accept

    return show_accept(call.settings, as_json=call.as_json, reason=reason)


@command(app, "eventlog doctor", "eventlog doctor --lake s3://bucket/lake --json", settings=("lake",))
def doctor(call: Call) -> int:
    """Check a store before it is trusted: conditional writes, credentials, clock, room, foreign files, Pushgateway."""
    from services.control.doors import show_doctor

    return show_doctor(call.settings, as_json=call.as_json)


@command(
    app,
    "eventlog explain --service-tag 5CG1234XYZ",
    "eventlog explain --service-tag T --week 2024-05-10",
    settings=("lake", "week"),
)
def explain(call: Call, *, service_tag: Device) -> int:
    """Show every raw event of a device: its times, why each was taken or not, its key, and its re-sends."""
    from services.clean import explain as explaining
    from services.control.terminal import emit, emit_json

    events = explaining.explain(call.settings, open_store(call.settings.lake), service_tag)
    emit_json([event.to_json() for event in events]) if call.as_json else emit(*explaining.show(events))
    return 0


@command(
    app,
    "eventlog erase --service-tag 5CG1234XYZ --dry-run",
    "eventlog erase --service-tag T",
    settings=("source", "lake", "workers"),
)
def erase(
    call: Call,
    *,
    service_tag: Device,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look for it; writes nothing.")] = False,
) -> int:
    """Remove a device from all published weeks, for good, and prove it by a search of every object."""
    from services.control import erase as erasing
    from services.control.terminal import emit, emit_json

    settings = call.settings.model_copy(update={"pushgateway": None})  # an old week's figures are not this week's
    lake = open_store(settings.lake)
    erased = erasing.erase(
        settings,
        lake,
        service_tag,
        erasure_stages(settings, lake),
        source=lambda: open_store(settings.source),
        dry_run=dry_run,
        verbose=call.verbose,
    )
    emit_json(erased.to_json()) if call.as_json else emit(*erasing.show(erased))
    return erased.exit_code


@command(
    app,
    "eventlog sample",
    "eventlog sample --rows 4000000 --weeks 2024-05-10 --answers answers",
    settings=("source", "workers"),
)
def sample(
    call: Call,
    *,
    rows: Annotated[int, typer.Option(help="Of each week.")] = 200_000,
    weeks: Annotated[str, typer.Option(help="Names of the drops, comma-separated.")] = "2024-05-10,2024-05-17",
    devices: Annotated[int, typer.Option(help="Notebooks in the fleet.")] = 2_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    files: Annotated[int, typer.Option(help="Of each week.")] = 4,
    answers: Annotated[Path | None, typer.Option(help="Folder for what a right pipeline must find.")] = None,
) -> int:
    """Make a realistic drop: re-sends, clock faults, missing pn, broken JSON, bursts of errors."""
    from services.control.terminal import emit, emit_json
    from services.sample.drop import SampleSpec
    from services.sample.upload import write_sample

    try:
        spec = SampleSpec(rows, tuple(name.strip() for name in weeks.split(",")), devices, seed, files)
        written = write_sample(spec, call.settings, answers)
    except (ValueError, OSError) as wrong:
        raise UsageError(str(wrong)) from wrong
    emit_json({"source": call.settings.source, "files": written}) if call.as_json else emit(*written)
    return 0


@command(config, "eventlog config show", "eventlog config show --json", name="show")
def config_show(call: Call) -> int:
    """Show every setting, its value, where that comes from, and what it means."""
    from services.control.terminal import emit, emit_json, table

    described = describe(call.settings)
    if call.as_json:
        emit_json([setting._asdict() for setting in described])
        return 0
    made = table(None, "setting", "value", "from", "meaning", left=("setting", "from"), prose=("value", "meaning"))
    for setting in described:
        made.add_row(setting.variable, setting.value, setting.origin, setting.meaning)
    emit(made)
    return 0


@command(
    metrics,
    "eventlog metrics push",
    "eventlog metrics push --week 2024-05-10",
    settings=("lake", "week", "push_job"),
    name="push",
)
def metrics_push(call: Call) -> int:
    """Push a week's figures again, by default the newest week's: for a gateway that has lost them."""
    from services.control.doors import show_push

    return show_push(call.settings, as_json=call.as_json)


@command(metrics, "eventlog metrics delete --job eventlog-backfill", settings=("push_job",), name="delete")
def metrics_delete(call: Call) -> int:
    """Take a job's metrics out of the gateway: its alerts end, its history stays in Prometheus."""
    from services.control.doors import show_delete

    return show_delete(call.settings, as_json=call.as_json)


def _show_version(*, shown: bool) -> None:
    if shown:
        sys.stdout.write(f"eventlog {program_version()}\n")
        raise typer.Exit


def _one_line(message: str) -> str:
    text = " ".join(message.split())
    return text if text.endswith((".", "?", "!")) else text + "."
