"""The commands that read a lake: find, then show as tables or as one JSON document; the exit code."""

from dataclasses import asdict
from pathlib import Path

from services.contracts.errors import UsageError
from services.control import accept, doctor, plan, status
from services.control.terminal import emit, emit_json
from services.lake.store import Store, open_store
from services.runtime.settings import Settings


def show_plan(settings: Settings, *, as_json: bool) -> int:
    found = plan.plan(settings, open_store(settings.source), _lake_if_there(settings.lake))
    emit_json(found.to_json()) if as_json else emit(*plan.show(found))
    return 0


def show_status(settings: Settings, *, as_json: bool) -> int:
    found = status.status(settings, open_store(settings.lake))
    emit_json(found.to_json()) if as_json else emit(*status.show(found))
    return 0


def show_report(settings: Settings, *, as_json: bool, html: Path | None = None, publish: bool = False) -> int:
    """One week to stdout; with `html` its page into that file, with `publish` what is due into the lake."""
    from services.control.report import terminal
    from services.control.report.gather import gather

    lake = open_store(settings.lake)
    found = gather(settings, lake)
    if publish:
        from services.control.report.publish import publish_due

        publish_due(settings, lake)
    if html:
        from services.control.report.page import page

        _write_page(html, page(found))
    emit_json(found.to_json()) if as_json else emit(*terminal.show(found, lake.url))
    return 0


def show_accept(settings: Settings, *, as_json: bool, reason: str) -> int:
    accepted = accept.accept_week(settings, open_store(settings.lake), reason)
    said = f"week {accepted.week} accepted: {accepted.reason} ({', '.join(accepted.findings)})"
    emit_json(asdict(accepted)) if as_json else emit(said)
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
    if not url.startswith("s3://") and not Path(url.removeprefix("file://")).exists():
        return None
    return open_store(url)
