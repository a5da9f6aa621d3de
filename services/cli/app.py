"""`eventlog`: parse, then one call. The only module that knows everything; what a command needs is imported in it."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from typer.exceptions import TyperException

from services.contracts.errors import NotReadyError, UsageError
from services.contracts.layout import STAGES, Stage
from services.lake.publish import Outcome
from services.lake.store import Store, open_store
from services.runtime.logs import configure_logs
from services.runtime.settings import Settings, describe, load_settings, termination_log
from services.runtime.stage import guarded, program_version

if TYPE_CHECKING:
    from services.control.erase import Work

app = typer.Typer(
    name="eventlog",
    help="Weekly drops of device event logs become trusted clean data and features per device.",
    no_args_is_help=True,
    epilog="Every option is also a setting EVENTLOG_<NAME>; see `eventlog config show`. Start with `eventlog run`.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config = typer.Typer(help="The settings of this program.", rich_markup_mode=None)
app.add_typer(config, name="config")
metrics = typer.Typer(help="What the Pushgateway (EVENTLOG_PUSHGATEWAY) holds of this pipeline.", rich_markup_mode=None)
app.add_typer(metrics, name="metrics")

Source = Annotated[str | None, typer.Option(help="Where drops arrive: a folder or s3://bucket/prefix.")]
Lake = Annotated[str | None, typer.Option(help="Where results go: a folder or s3://bucket/prefix.")]
Week = Annotated[str | None, typer.Option(metavar="YYYY-MM-DD|auto", help="One week, or all that need it.")]
Force = Annotated[bool, typer.Option("--force", help="Publish a new generation even where nothing changed.")]
Workers = Annotated[int | None, typer.Option(help="Batches worked on at once; it changes no byte.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Job = Annotated[str | None, typer.Option(help="Job under which metrics are pushed.")]
Verbose = Annotated[
    int, typer.Option("-v", "--verbose", count=True, show_default=False, help="Debug logs, and a traceback on failure.")
]
Quiet = Annotated[int, typer.Option("-q", "--quiet", count=True, show_default=False, help="Warnings and errors only.")]


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


@app.command(epilog="Examples:  eventlog run  |  eventlog run --source drops --lake s3://bucket/lake --week 2024-05-10")
def run(
    context: typer.Context,
    source: Source = None,
    lake: Lake = None,
    week: Week = None,
    *,
    force: Force = False,
    workers: Workers = None,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Bring everything up to date: ingest and clean each drop that needs it, oldest first, then the features."""
    given = {"source": source, "lake": lake, "week": week, "force": force or None, "workers": workers}
    return _run_stages(_Call.of(context, verbose, quiet, as_json), given, STAGES)


@app.command(epilog="Examples:  eventlog ingest --week 2024-05-10  |  eventlog ingest --source s3://bucket/drops")
def ingest(
    context: typer.Context,
    source: Source = None,
    lake: Lake = None,
    week: Week = None,
    *,
    force: Force = False,
    workers: Workers = None,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Partition drops by week and pn, clustered by device."""
    given = {"source": source, "lake": lake, "week": week, "force": force or None, "workers": workers}
    return _run_stages(_Call.of(context, verbose, quiet, as_json), given, ("ingest",))


@app.command(epilog="Examples:  eventlog clean --week 2024-05-10  |  eventlog clean --force")
def clean(
    context: typer.Context,
    lake: Lake = None,
    week: Week = None,
    *,
    force: Force = False,
    workers: Workers = None,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Find when each raw event really happened and merge re-sends; auto: every week that has been ingested."""
    given = {"lake": lake, "week": week, "force": force or None, "workers": workers}
    return _run_stages(_Call.of(context, verbose, quiet, as_json), given, ("clean",))


@app.command(epilog="Examples:  eventlog feature  |  EVENTLOG_FEATURE_WEEKS=0 eventlog feature --json")
def feature(
    context: typer.Context,
    lake: Lake = None,
    *,
    force: Force = False,
    workers: Workers = None,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Summarise each device over the newest clean weeks and extract the errors."""
    given = {"lake": lake, "force": force or None, "workers": workers}
    return _run_stages(_Call.of(context, verbose, quiet, as_json), given, ("feature",))


@app.command(epilog="Examples:  eventlog plan  |  eventlog plan --week 2024-05-10 --json")
def plan(
    context: typer.Context,
    source: Source = None,
    lake: Lake = None,
    week: Week = None,
    *,
    force: Force = False,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Say what a run would do, and why; writes nothing."""
    from services.control.doors import show_plan

    given = {"source": source, "lake": lake, "week": week, "force": force or None}
    return _Call.of(context, verbose, quiet, as_json).do(show_plan, given)


@app.command(epilog="Examples:  eventlog status  |  eventlog status --lake s3://bucket/lake --json")
def status(
    context: typer.Context,
    lake: Lake = None,
    week: Week = None,
    *,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Show what is published of every week."""
    from services.control.doors import show_status

    return _Call.of(context, verbose, quiet, as_json).do(show_status, {"lake": lake, "week": week})


@app.command(epilog="Examples:  eventlog report  |  eventlog report --week 2024-05-10 --html report.html")
def report(
    context: typer.Context,
    lake: Lake = None,
    week: Week = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the week as one HTML page.")] = None,
    *,
    publish: Annotated[
        bool, typer.Option("--publish", help="Put the page and its JSON into the lake, of every week that needs it.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Show one week in full, by default the newest."""
    from services.control.doors import show_report

    def work(settings: Settings, *, as_json: bool) -> int:
        return show_report(settings, as_json=as_json, html=html, publish=publish)

    return _Call.of(context, verbose, quiet, as_json).do(work, {"lake": lake, "week": week})


@app.command(epilog='Examples:  eventlog accept --week 2024-05-10 --reason "a second plant sends since May"')
def accept(
    context: typer.Context,
    week: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="The week whose findings are real.")],
    reason: Annotated[str, typer.Option(help="Why, for whoever reads it in a year.")],
    lake: Lake = None,
    *,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Say that what was found in a week is real growth: its alerts end and it counts as ordinary from then on."""
    from services.control.doors import show_accept

    given = {"lake": lake, "week": week}
    return _Call.of(context, verbose, quiet, as_json).do(partial(show_accept, reason=reason), given)


@app.command(epilog="Examples:  eventlog doctor  |  eventlog doctor --lake s3://bucket/lake --json")
def doctor(
    context: typer.Context,
    lake: Lake = None,
    *,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Check a store before it is trusted: conditional writes, credentials, clock, room, Pushgateway."""
    from services.control.doors import show_doctor

    return _Call.of(context, verbose, quiet, as_json).do(show_doctor, {"lake": lake})


@app.command(
    epilog="Examples:  eventlog explain --service-tag 5CG1234XYZ  |  eventlog explain --service-tag T --week 2024-05-10"
)
def explain(
    context: typer.Context,
    service_tag: Annotated[str, typer.Option(metavar="TAG", help="The device.")],
    lake: Lake = None,
    week: Week = None,
    *,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Show every raw event of a device: its times, why each was taken or not, its key, and its re-sends."""

    def work(settings: Settings, *, as_json: bool) -> int:
        from services.clean.explain import explain as found
        from services.clean.explain import show
        from services.control.terminal import emit, emit_json

        events = found(settings, open_store(settings.lake), service_tag)
        emit_json([event.to_json() for event in events]) if as_json else emit(*show(events))
        return 0

    return _Call.of(context, verbose, quiet, as_json).do(work, {"lake": lake, "week": week})


@app.command(epilog="Examples:  eventlog erase --service-tag 5CG1234XYZ --dry-run  |  eventlog erase --service-tag T")
def erase(
    context: typer.Context,
    service_tag: Annotated[str, typer.Option(metavar="TAG", help="The device.")],
    source: Source = None,
    lake: Lake = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look for it; writes nothing.")] = False,
    workers: Workers = None,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Remove a device from all published weeks, for good, and prove it by a search of every object."""
    call = _Call.of(context, verbose, quiet, as_json)

    def work(settings: Settings, *, as_json: bool) -> int:
        from services.control import erase as erasing
        from services.control.terminal import emit, emit_json

        quietly = settings.model_copy(update={"pushgateway": None})  # an old week's figures are not this week's
        erased = erasing.erase(
            quietly,
            (opened := open_store(settings.lake)),
            service_tag,
            _erasing(quietly, opened),
            source=lambda: open_store(settings.source),
            dry_run=dry_run,
            verbose=call.verbosity > 0,
        )
        emit_json(erased.to_json()) if as_json else emit(*erasing.show(erased))
        return erased.exit_code

    return call.do(work, {"source": source, "lake": lake, "workers": workers})


@app.command(
    epilog="Examples:  eventlog sample  |  eventlog sample --rows 4000000 --weeks 2024-05-10 --answers answers"
)
def sample(
    context: typer.Context,
    source: Source = None,
    rows: Annotated[int, typer.Option(help="Of each week.")] = 200_000,
    weeks: Annotated[str, typer.Option(help="Names of the drops, comma-separated.")] = "2024-05-10,2024-05-17",
    devices: Annotated[int, typer.Option(help="Notebooks in the fleet.")] = 2_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    files: Annotated[int, typer.Option(help="Of each week.")] = 4,
    answers: Annotated[Path | None, typer.Option(help="Folder for what a right pipeline must find.")] = None,
    workers: Workers = None,
    *,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Make a realistic drop: re-sends, clock faults, missing pn, broken JSON, bursts of errors."""

    def work(settings: Settings, *, as_json: bool) -> int:
        from services.control.terminal import emit, emit_json
        from services.sample.drop import SampleSpec
        from services.sample.upload import write_sample

        try:
            spec = SampleSpec(rows, tuple(name.strip() for name in weeks.split(",")), devices, seed, files)
            written = write_sample(spec, settings, answers)
        except (ValueError, FileExistsError) as wrong:
            raise UsageError(str(wrong)) from wrong
        emit_json({"source": settings.source, "files": written}) if as_json else emit(*written)
        return 0

    return _Call.of(context, verbose, quiet, as_json).do(work, {"source": source, "workers": workers})


@config.command("show", epilog="Examples:  eventlog config show  |  eventlog config show --json")
def config_show(context: typer.Context, *, as_json: Json = False, verbose: Verbose = 0, quiet: Quiet = 0) -> int:
    """Show every setting, its value, where that comes from, and what it means."""

    def work(settings: Settings, *, as_json: bool) -> int:
        from services.control.terminal import emit, emit_json, table

        described = describe(settings)
        if as_json:
            emit_json([setting._asdict() for setting in described])
            return 0
        made = table(None, "setting", "value", "from", "meaning", left=("setting", "value", "from", "meaning"))
        for setting in described:
            made.add_row(setting.variable, setting.value, setting.origin, setting.meaning)
        emit(made)
        return 0

    return _Call.of(context, verbose, quiet, as_json).do(work, {})


@metrics.command("push", epilog="Examples:  eventlog metrics push  |  eventlog metrics push --week 2024-05-10")
def metrics_push(
    context: typer.Context,
    lake: Lake = None,
    week: Week = None,
    job: Job = None,
    *,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = 0,
) -> int:
    """Push a week's figures again, by default the newest week's: for a gateway that has lost them."""
    from services.control.doors import show_push

    given = {"lake": lake, "week": week, "push_job": job}
    return _Call.of(context, verbose, quiet, as_json).do(show_push, given)


@metrics.command("delete", epilog="Examples:  eventlog metrics delete --job eventlog-backfill")
def metrics_delete(
    context: typer.Context, job: Job = None, *, as_json: Json = False, verbose: Verbose = 0, quiet: Quiet = 0
) -> int:
    """Take a job's metrics out of the gateway: its alerts end, its history stays in Prometheus."""
    from services.control.doors import show_delete

    return _Call.of(context, verbose, quiet, as_json).do(show_delete, {"push_job": job})


class _Call(NamedTuple):
    """How a command was called."""

    verbosity: int
    as_json: bool

    @staticmethod
    def of(context: typer.Context, verbose: int, quiet: int, as_json: bool) -> "_Call":
        return _Call((context.find_root().obj or 0) + verbose - quiet, as_json)

    def do(self, work: Callable[..., int], given: dict[str, Any]) -> int:
        """Run the command's work with the settings; the exit code."""
        configure_logs(self.verbosity)
        return guarded(
            lambda: work(load_settings(**given), as_json=self.as_json),
            verbose=self.verbosity > 0,
            last_words=termination_log(),
        )


def _run_stages(call: _Call, given: dict[str, Any], stages: Sequence[Stage]) -> int:
    """Run some stages over the weeks that the settings name, and show how it went."""

    def work(settings: Settings, *, as_json: bool) -> int:
        from services.control import summary
        from services.control.report.publish import publish_after_run
        from services.control.run import run_weeks
        from services.control.terminal import emit, emit_json

        source = open_store(settings.source) if "ingest" in stages else None
        lake = open_store(settings.lake, create="ingest" in stages)
        jobs = _jobs(settings, source, lake)
        result = run_weeks(
            settings,
            _weeks(settings, source, lake, stages),
            {stage: jobs[stage] for stage in stages if stage != "feature"},
            jobs["feature"] if "feature" in stages else None,
            verbose=call.verbosity > 0,
        )
        if stages == STAGES:
            publish_after_run(settings, lake)
        emit_json(result.to_json()) if as_json else emit(*summary.show(result, lake))
        return result.exit_code

    return call.do(work, given)


def _weeks(settings: Settings, source: Store | None, lake: Store, stages: Sequence[Stage]) -> list[str]:
    from services.control.plan import drops
    from services.control.weeks import ingested_weeks

    if source:
        return drops(settings, source)
    if "clean" not in stages:
        return []
    if settings.week != "auto":
        return [settings.week]
    weeks = ingested_weeks(lake)
    if not weeks:
        raise NotReadyError(f"{lake.url}: nothing was ingested yet; run ingest first")
    return weeks


def _jobs(settings: Settings, source: Store | None, lake: Store) -> dict[Stage, Callable[[str | None], Outcome]]:
    """Each stage as a function of the week; a stage is imported when it runs."""

    def run_ingest(week: str | None) -> Outcome:
        from services.ingest.job import ingest

        assert source
        assert week
        return ingest(settings, source, lake, week)

    def run_clean(week: str | None) -> Outcome:
        from services.clean.job import clean

        assert week
        return clean(settings, lake, week)

    def run_feature(_: str | None) -> Outcome:
        from services.feature.job import feature

        return feature(settings, lake)

    return {"ingest": run_ingest, "clean": run_clean, "feature": run_feature}


def _erasing(settings: Settings, lake: Store) -> "Work":
    """The stages as an erasure runs them: under the settings of what is published, so that nothing else changes."""
    from services.control.erase import Work
    from services.control.weeks import published_window
    from services.lake.publish import read_manifest

    def run_rewrite(week: str | None) -> Outcome:
        from services.ingest.rewrite import rewrite

        assert week
        return rewrite(settings, lake, week)

    def run_ingest(week: str | None) -> Outcome:
        return _jobs(settings, open_store(settings.source), lake)["ingest"](week)

    def run_clean(week: str | None) -> Outcome:
        made = read_manifest(lake, "clean", week)
        return _jobs(settings.as_published(made.run.settings if made else {}), None, lake)["clean"](week)

    def run_feature(_: str | None) -> Outcome:
        weeks = published_window(lake, settings.feature_weeks)
        return _jobs(settings.model_copy(update={"feature_weeks": weeks}), None, lake)["feature"](None)

    return Work(run_rewrite, run_ingest, run_clean, run_feature)


def _show_version(*, shown: bool) -> None:
    if shown:
        sys.stdout.write(f"eventlog {program_version()}\n")
        raise typer.Exit


def _one_line(message: str) -> str:
    text = " ".join(message.split())
    return text if text.endswith((".", "?", "!")) else text + "."


if __name__ == "__main__":
    main()
