"""Which ending wins, and what a user is told of bad files."""

import pytest

from services.contracts import errors
from services.contracts.errors import BadFilesError, Fault, InterruptedRun, worst


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((), 0),
        ((0, 5), 5),
        ((5, 4), 4),
        ((4, 3), 3),
        ((3, 75), 75),
        ((75, 2), 2),
        ((2, 1), 1),
        ((1, 130), 130),
        ((130, 143), 143),
    ],
)
def test_the_worst_code_of_several_weeks_wins(codes, expected):
    assert worst(codes) == worst(codes[::-1]) == expected


def test_every_failure_has_its_own_exit_code():
    codes = {kind.__name__: kind.exit_code for kind in errors.PipelineError.__subclasses__()}
    assert {name: code for name, code in codes.items() if code != 1} == {
        "UsageError": 2,
        "BadInputError": 3,
        "GateError": 4,
        "NotReadyError": 5,
        "TemporaryError": 75,
    }
    assert InterruptedRun(15).exit_code == 143
    assert {*codes.values(), 0, 130, 143} == set(errors.SEVERITY)


def test_every_fault_of_every_file_is_named_with_what_to_do():
    faults = [
        Fault("a.parquet", "ev", "is missing"),
        Fault("b.parquet", None, "cannot be read as Parquet (x)"),
    ]
    message = str(BadFilesError(faults))
    assert "a.parquet: column ev: is missing; b.parquet: cannot be read as Parquet (x)" in message
    assert "EVENTLOG_ON_BAD_FILE=skip" in message
    assert BadFilesError(faults).exit_code == 3
