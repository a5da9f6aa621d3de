"""The commands that read a lake: find, then show as tables or as one JSON document; the exit code."""

from dataclasses import asdict
from pathlib import Path

import structlog

from services.contracts import layout
from services.contracts.errors import UsageError
from services.control import accept, bucket, doctor, plan, push, status, verdict, workflow_plan
from services.control.terminal import emit, emit_json
from services.lake.store import Store, is_there, open_store
from services.lake.weeks import known_weeks
from services.runtime import metrics
from services.runtime.outputs import leave_outputs
from services.runtime.settings import Settings

log = structlog.get_logger()


def show_plan(
    settings: Settings, *, as_json: bool, first: str | None = None, last: str | None = None, dry_run: str | None = None
) -> int:
    """Where a workflow waits for outputs, the plan goes there and into the log, else to stdout."""
    if dry_run not in (None, "true", "false"):
        raise UsageError(f"--dry-run={dry_run}: must be true or false")
    span = plan.Span.of(first, last)
    found = plan.plan(settings, open_store(settings.source), _lake_if_there(settings.lake), span)
    if settings.outputs:
        metrics.push_start(settings, "workflow", None)
        workflow_plan.leave_plan(settings, found, dry_run=dry_run == "true")
    else:
        emit_json(found.to_json()) if as_json else emit(*plan.show(found))
    return 0


def show_verdict(settings: Settings, *, as_json: bool) -> int:  # noqa: ARG001  (its log line is JSON already)
    verdict.verdict(settings)
    return 0


def make_buckets(settings: Settings, *, as_json: bool) -> int:  # noqa: ARG001  (its log lines are JSON already)
    bucket.make_buckets(settings)
    return 0


def show_status(settings: Settings, *, as_json: bool) -> int:
    found = status.status(settings, open_store(settings.lake))
    emit_json(found.to_json()) if as_json else emit(*status.show(found))
    return 0


def show_report(settings: Settings, *, as_json: bool, html: Path | None = None, publish: bool = False) -> int:
    """One week to stdout; with `html` its page into that file, with `publish` what is due into the lake.

    Where a workflow waits for outputs, stdout is a log of JSON lines and gets no table.
    """
    from services.control.report import terminal
    from services.control.report.gather import gather

    lake = open_store(settings.lake)
    found = gather(settings, lake)
    if publish:
        from services.control.report.publish import publish_due

        publish_due(settings, lake)
        address = f"{lake.url.rstrip('/')}/{layout.report_key(found.week, 'html')}"
        leave_outputs(settings, {"report-address": address})
        log.info("report published", page=address)
    if html:
        from services.control.report.page import page

        _write_page(html, page(found))
        log.info("page written", file=str(html))
    if settings.outputs is None:
        emit_json(found.to_json()) if as_json else emit(*terminal.show(found, lake.url))
    return 0


def show_accept(settings: Settings, *, as_json: bool, reason: str) -> int:
    from services.control.report.publish import publish_after_run

    lake = open_store(settings.lake)
    accepted = accept.accept_week(settings, lake, reason)
    if settings.pushgateway and settings.week == known_weeks(lake)[-1]:
        push.push_week(settings, lake)  # its alerts end now, not with the next run
    elif not settings.pushgateway:
        log.warning("no gateway is set (EVENTLOG_PUSHGATEWAY): alerts that were raised stay until figures are pushed")
    publish_after_run(settings, lake)  # its report says so too
    said = f"week {accepted.week} accepted: {accepted.reason} ({', '.join(accepted.findings)})"
    emit_json(asdict(accepted)) if as_json else emit(said)
    return 0


def show_push(settings: Settings, *, as_json: bool) -> int:
    stages = push.push_week(settings, open_store(settings.lake))
    emit_json({"job": settings.push_job, "stages": stages}) if as_json else emit(f"pushed: {', '.join(stages)}")
    return 0


def show_delete(settings: Settings, *, as_json: bool) -> int:
    metrics.delete(settings)
    emit_json({"job": settings.push_job}) if as_json else emit(f"deleted: job {settings.push_job}")
    return 0


def show_doctor(settings: Settings, *, as_json: bool) -> int:
    checks = doctor.doctor(settings)
    emit_json([check._asdict() for check in checks]) if as_json else emit(doctor.show(checks))
    return doctor.exit_code(checks)


def _write_page(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as refused:
        raise UsageError(f"--html={path}: cannot be written ({refused.strerror}); name another file") from refused


def _lake_if_there(url: str) -> Store | None:
    """Planning makes no folder: a lake that is not there yet is an empty one."""
    return open_store(url) if is_there(url) else None
