"""`eventlog metrics`: what a gateway of the test's own is told."""

import pytest

from services.contracts.errors import NotReadyError, TemporaryError, UsageError
from services.control.push import push_week
from services.lake.store import open_store
from services.runtime.metrics import delete
from tests.drops import NEXT_WEEK, WEEK, row, table


@pytest.fixture
def lake(chain):
    chain.drop({"a.parquet": table(row("T1"), row("T1"), row("T2"))})
    chain.run(WEEK)
    return open_store(str(chain.lake))


def test_a_week_is_pushed_again_as_its_run_said_it(chain, lake, gateway):
    settings = chain.settings(pushgateway=gateway.address, push_job="again")
    assert push_week(settings, lake) == ["ingest", "clean", "feature"]
    clean = gateway.samples("again", "clean")
    run = chain.manifest("clean").run
    assert clean["eventlog_duration_seconds", ()] == run.seconds["total"]
    assert clean["eventlog_duplicate_ratio", ()] == pytest.approx(1 / 3)
    assert clean["eventlog_status", ("status=succeeded",)] == 1
    assert next(labels for name, labels in clean if name == "eventlog_run_info")[0] == f"run_id={run.run_id}"
    assert ("eventlog_attempt", ()) in clean


def test_what_is_not_there_is_said(chain, lake, gateway):
    with pytest.raises(NotReadyError, match="is not in this lake"):
        push_week(chain.settings(pushgateway=gateway.address, week=NEXT_WEEK), lake)
    with pytest.raises(UsageError, match="EVENTLOG_PUSHGATEWAY"):
        push_week(chain.settings(), lake)
    with pytest.raises(TemporaryError, match="did not take metrics"):
        push_week(chain.settings(pushgateway="http://me:secret@127.0.0.1:1"), lake)


def test_deleting_takes_every_group_of_the_job(chain, gateway):
    delete(chain.settings(pushgateway=gateway.address, push_job="gone"))
    assert sorted(path for method, path, _ in gateway.requests if method == "DELETE") == [
        f"/metrics/job/gone/stage/{stage}" for stage in ("clean", "feature", "ingest", "workflow")
    ]
