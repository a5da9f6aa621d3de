"""An error becomes a sentence and an exit code, whatever it is."""

import os
import signal

import pytest

from services.contracts.errors import (
    BadInputError,
    GateError,
    LedgerError,
    NotReadyError,
    TemporaryError,
    UsageError,
    worst,
)
from services.runtime.stage import explain, guarded


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (BadInputError("x"), 3),
        (GateError("x"), 4),
        (NotReadyError("x"), 5),
        (TemporaryError("x"), 75),
        (MemoryError(), 75),
        (LedgerError("x"), 1),
        (ZeroDivisionError("x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(error, code):
    assert explain(error).exit_code == code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_with_its_code(number, code, capsys):
    before = signal.getsignal(number)

    def work():
        os.kill(os.getpid(), number)
        raise AssertionError("the signal did not come")

    assert guarded(work, verbose=False) == code
    assert signal.getsignal(number) is before
    assert "a rerun finishes the job" in "".join(capsys.readouterr())


def test_no_traceback_unless_asked_for(capsys):
    def work():
        raise ValueError("odd")

    assert guarded(work, verbose=False) == 1
    assert "Traceback" not in capsys.readouterr().err
    guarded(work, verbose=True)
    assert "Traceback" in capsys.readouterr().err


def test_the_worst_code_wins():
    assert worst([0, 5, 3, 75]) == 75
    assert worst([4, 0]) == 4
    assert worst([2, 1, 143]) == 143
    assert worst([]) == 0
