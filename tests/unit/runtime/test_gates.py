import pytest

from services.contracts.errors import GateError
from services.runtime.gates import beyond_gates, check_gates


@pytest.mark.parametrize(
    ("figure", "value", "gate", "stops"),
    [
        ("error_ratio", 0.5, 0.5, False),
        ("error_ratio", 0.51, 0.5, True),
        ("valid_timestamp_coverage", 0.9, 0.9, False),
        ("valid_timestamp_coverage", 0.89, 0.9, True),
        ("event_id_conflicts", 1, 0, True),
    ],
)
def test_a_gate_is_a_maximum_and_for_coverage_a_minimum(figure, value, gate, stops):
    assert bool(beyond_gates({figure: gate}, {figure: value})) == stops


def test_every_figure_beyond_its_gate_is_named():
    with pytest.raises(GateError, match=r"error_ratio is 0\.5.*duplicate_ratio is 0\.25") as stopped:
        check_gates({"error_ratio": 0.1, "duplicate_ratio": 0.2}, {"error_ratio": 0.5, "duplicate_ratio": 0.25})
    assert stopped.value.exit_code == 4


def test_a_figure_that_is_not_given_is_not_judged():
    check_gates({"raw_bytes": 1}, {"error_ratio": 1.0})
