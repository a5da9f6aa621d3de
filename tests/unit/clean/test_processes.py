"""The Python kernel in processes: what it reads elsewhere is what it reads here."""

import multiprocessing
import os
import signal

import pyarrow as pa
import pytest

from services.clean.events import read_events_python, window_rules
from services.clean.processes import Processes
from services.contracts.errors import TemporaryError

RULES = window_rules("2024-05-10", before=400, after=8, day_first=False, volatile=("LogTime",))


def batch(*events):
    columns = {"ev": pa.array(events, pa.string()), "ts": pa.nulls(len(events), pa.string())}
    return pa.record_batch(columns | {"eventdate": pa.nulls(len(events), pa.int64())})


ROWS = pa.Table.from_batches(
    [
        batch('{"TimeStamp":"2024-05-08T10:00:00Z","a":1}', None, "{"),
        batch(),
        batch('{"TimeStamp":"1970-01-01T00:00:00Z","EventId":"7"}', '{"EventId":"7","LogTime":1715162400}'),
    ]
)


@pytest.fixture
def processes(tmp_path):
    started = Processes(1, tmp_path)
    yield started
    started.close(wait=True)


def test_rows_come_back_as_read_and_leave_no_file(processes, tmp_path):
    for rows in (ROWS, ROWS.slice(1, 2), ROWS.slice(0, 0)):
        here, there = read_events_python(rows, RULES), processes.read(rows, RULES)
        assert there.unusable == here.unusable
        assert there.columns.equals(here.columns)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed_is_worth_another_run(processes):
    processes.read(ROWS, RULES)
    for child in multiprocessing.active_children():
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    with pytest.raises(TemporaryError, match="memory"):
        processes.read(ROWS, RULES)
