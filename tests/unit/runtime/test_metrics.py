"""What is pushed, seen by a gateway of the test's own; and that a bad gateway harms nothing."""

from dataclasses import asdict

import pytest
from structlog.testing import capture_logs

from services.contracts.errors import BadInputError, NotReadyError
from services.control.run import run_weeks
from services.runtime.gauges import METRICS, of_manifest, thresholds
from services.runtime.metrics import push_start, push_verdict
from services.runtime.outcome import run_stage
from services.runtime.settings import Settings
from tests.drops import NEXT_WEEK, WEEK, row, table


def _run(chain, gateway, stage, week=WEEK, **chosen):
    """A stage in its shell, pushing to the gateway."""
    settings = chain.settings(pushgateway=gateway.address, **chosen)
    work = {"ingest": chain.ingest, "clean": chain.clean, "feature": lambda _: chain.feature()}[stage]
    return run_stage(settings, stage, None if stage == "feature" else week, lambda: work(week))


def test_the_start_is_pushed_by_post_under_job_and_stage(gateway):
    push_start(Settings(pushgateway=gateway.address, attempt=2, run_id="r1", push_job="mine"), "clean", WEEK)
    ((method, path, _),) = gateway.requests
    assert (method, path) == ("POST", "/metrics/job/mine/stage/clean")
    said = gateway.samples("mine", "clean")
    assert said["eventlog_attempt", ()] == 2
    assert said["eventlog_sla_seconds", ()] == 480
    assert said["eventlog_status", ("status=running",)] == 1
    assert said["eventlog_status", ("status=failed",)] == 0
    assert any(f"week={WEEK}" in labels for name, labels in said if name == "eventlog_run_info")
    assert "eventlog_last_success_timestamp_seconds" not in {name for name, _ in said}


def test_the_end_carries_what_the_manifest_says(gateway, chain):
    chain.drop({"a.parquet": table(row(), row(), row(ev="{"), row(tag=None))})
    for stage in ("ingest", "clean", "feature"):
        _run(chain, gateway, stage)
        manifest = chain.manifest(stage, None if stage == "feature" else WEEK)
        said = gateway.samples("eventlog", stage)
        for name, value, labels in of_manifest(manifest):
            assert said[name, tuple(sorted(f"{k}={v}" for k, v in labels.items()))] == value
        assert said["eventlog_status", ("status=succeeded",)] == 1
        assert ("eventlog_last_success_timestamp_seconds", ()) in said
        assert said["eventlog_published_week_timestamp_seconds", (f"week={WEEK}",)] == 1715299200
    clean = gateway.samples("eventlog", "clean")
    for name, value in asdict(chain.manifest("clean").quality.figures).items():
        assert clean[f"eventlog_{name}", ()] == value
    ingest = gateway.samples("eventlog", "ingest")
    assert ingest["eventlog_quarantined_rows", ("reason=no_service_tag",)] == 1
    assert ingest["eventlog_quarantined_rows", ("reason=bad_utf8",)] == 0
    assert ("eventlog_raw_bytes_previous", ()) not in ingest


def test_every_metric_is_exported_by_a_stage_or_the_verdict(gateway, chain):
    for week in (WEEK, NEXT_WEEK):
        chain.drop({"a.parquet": table(row(), row())}, week)
        for stage in ("ingest", "clean", "feature"):
            _run(chain, gateway, stage, week, gate_error_ratio=0.9)
    ended = chain.settings(pushgateway=gateway.address, workflow_status="Succeeded", workflow_duration=9)
    push_verdict(ended, "", {WEEK: 0}, due=2, good=2)
    parts = ("ingest", "clean", "feature", "workflow")
    assert {name for part in parts for name, _ in gateway.samples("eventlog", part)} == set(METRICS)


def test_what_is_found_is_pushed_with_its_cause_and_ends_with_the_next_good_week(gateway, chain):
    chain.drop({"a.parquet": table(*(row(f"T{n}") for n in range(40)))})
    chain.drop({"a.parquet": table(*(row(f"T{n % 20}") for n in range(40)))}, NEXT_WEEK)
    found = {}
    for week in (WEEK, NEXT_WEEK, WEEK):
        _run(chain, gateway, "ingest", week)
        _run(chain, gateway, "clean", week)
        said = gateway.samples("eventlog", "clean")
        found[week] = {labels: v for (name, labels), v in said.items() if name == "eventlog_finding" and v}
    cause = "cause=duplicate_ratio is 50 %, above its limit of 15 %; 100 % of the rise comes from pn=I13"
    assert found[NEXT_WEEK] == {(cause, "figure=duplicate_ratio", "rule=duplicates", f"week={NEXT_WEEK}"): 1}
    assert found[WEEK] == {}


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (BadInputError("a.parquet: no footer"), "failed", "a.parquet: no footer"),
        (NotReadyError("not there"), "waiting", "not there"),
        (ValueError("service tag ABC"), "failed", "unexpected ValueError; see the log"),
        (BadInputError("s3://me:secret@host refused"), "failed", "s3://***@host refused"),
        (BadInputError("x" * 999), "failed", "x" * 300),
    ],
)
def test_a_failure_says_why_and_is_no_success(gateway, chain, error, status, reason):
    def work():
        raise error

    with pytest.raises(type(error)):
        run_stage(chain.settings(pushgateway=gateway.address), "ingest", WEEK, work)
    said = gateway.samples("eventlog", "ingest")
    assert said["eventlog_status", (f"status={status}",)] == 1
    assert said["eventlog_failure_info", (f"reason={reason}",)] == 1
    assert ("eventlog_last_success_timestamp_seconds", ()) not in said


def test_older_weeks_of_a_run_push_under_a_job_that_pages_nobody(gateway, chain):
    chain.drop({"a.parquet": table(row())})
    chain.drop({"a.parquet": table(row())}, NEXT_WEEK)
    settings = chain.settings(pushgateway=gateway.address)
    stages = {"ingest": chain.ingest, "clean": chain.clean}
    run_weeks(settings, [WEEK, NEXT_WEEK], NEXT_WEEK, stages, lambda _: chain.feature())
    pushed = {}
    for _, path, text in gateway.requests:
        for week in (WEEK, NEXT_WEEK):
            if f'week="{week}",version' in text.replace("{", ",") or f'week="{week}"' in text:
                pushed.setdefault(path, set()).add(week)
    assert pushed["/metrics/job/eventlog-catchup/stage/clean"] == {WEEK}
    assert pushed["/metrics/job/eventlog/stage/clean"] == {NEXT_WEEK}


def test_a_threshold_is_the_setting(gateway):
    settings = Settings(alert_duplicate_ratio=0.3, alert_unpublished_days=9)
    assert thresholds(settings)["duplicates", "duplicate_ratio"] == 0.3
    assert thresholds(settings)["unpublished", "age_seconds"] == 9 * 86400


@pytest.mark.parametrize("address", ["127.0.0.1:1", "http://me:secret@127.0.0.1:1", "no such://host", ""])
def test_a_dead_gateway_is_a_warning_without_its_password(address):
    with capture_logs() as logs:
        push_start(Settings(pushgateway=address), "ingest", WEEK)
    assert [entry["log_level"] for entry in logs] == (["warning"] if address else [])
    assert "secret" not in str(logs)
