"""What is pushed, seen by a gateway of the test's own; and that a bad gateway harms nothing."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from structlog.testing import capture_logs

from services.runtime.metrics import manifest_gauges, push_end, push_start, push_verdict
from services.runtime.settings import Settings
from tests.drops import NEXT_WEEK, WEEK, row, table


@pytest.fixture
def gateway():
    """Address, and the pushes that came: method, path, text."""
    pushes = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            pushes.append((self.command, self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", pushes
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_start_is_pushed_by_post_under_job_and_stage(gateway):
    address, pushes = gateway
    push_start(Settings(pushgateway=address, attempt=2, run_id="r1"), "clean", WEEK)
    ((method, path, text),) = pushes
    assert (method, path) == ("POST", "/metrics/job/eventlog/stage/clean")
    assert "eventlog_attempt 2.0" in text
    assert f'week="{WEEK}"' in text
    assert "last_success" not in text


def test_the_end_carries_the_figures_of_the_manifest(gateway, chain):
    address, pushes = gateway
    chain.drop({"a.parquet": table(row(), row(), row(ev="{"))})
    manifest = chain.run()[1].manifest
    push_end(Settings(pushgateway=address), "clean", WEEK, exit_code=0, seconds=1.5, manifest=manifest)
    text = pushes[0][2]
    for line in ("eventlog_exit_code 0.0", "eventlog_duration_seconds 1.5", 'eventlog_rows{term="clean_rows"} 2.0'):
        assert line in text
    assert "eventlog_last_success_timestamp_seconds" in text


def test_a_failure_does_not_push_a_success(gateway):
    address, pushes = gateway
    push_end(Settings(pushgateway=address), "ingest", WEEK, exit_code=3, seconds=0.1)
    assert "eventlog_exit_code 3.0" in pushes[0][2]
    assert "last_success" not in pushes[0][2]


def test_every_quarantine_reason_is_exported_zeros_too_and_no_previous_size_without_one(chain):
    chain.drop({"a.parquet": table(row(), row(tag=None))})
    manifest = chain.ingest().manifest
    gauges = {(g.name, *g.labels.values()): g.value for g in manifest_gauges(manifest)}
    assert gauges["eventlog_quarantined_rows", "no_service_tag"] == 1
    assert gauges["eventlog_quarantined_rows", "bad_utf8"] == 0
    assert ("eventlog_raw_bytes_previous",) not in gauges


@pytest.mark.parametrize("address", ["127.0.0.1:1", "http://me:secret@127.0.0.1:1", "no such://host", ""])
def test_a_dead_gateway_is_a_warning_without_its_password(address):
    with capture_logs() as logs:
        push_start(Settings(pushgateway=address), "ingest", WEEK)
    assert [entry["log_level"] for entry in logs] == (["warning"] if address else [])
    assert "secret" not in str(logs)


def test_the_verdict_on_a_workflow_names_its_status_and_counts_the_flags_of_every_week(gateway):
    address, pushes = gateway
    settings = Settings(pushgateway=address, workflow_status="Failed", push_job="eventlog-backfill")
    push_verdict(settings, {WEEK: 2, NEXT_WEEK: 0})
    ((_, path, text),) = pushes
    assert path.endswith("/stage/workflow")
    for line in (
        'eventlog_workflow_status{status="Failed"} 1.0',
        'eventlog_workflow_status{status="Succeeded"} 0.0',
        f'eventlog_week_flags{{week="{WEEK}"}} 2.0',
        f'eventlog_week_flags{{week="{NEXT_WEEK}"}} 0.0',
    ):
        assert line in text
    assert "last_success" not in text
