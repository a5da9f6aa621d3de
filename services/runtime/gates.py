"""Limits on data quality that stop a publication."""

from collections.abc import Mapping

from services.contracts.errors import GateError

_MINIMUM = ("valid_timestamp_coverage",)
"""Every other gate is a maximum."""


def check_gates(gates: Mapping[str, float], figures: Mapping[str, float]) -> None:
    """GateError naming every figure that is beyond its gate."""
    beyond = beyond_gates(gates, figures)
    if beyond:
        raise GateError(
            f"{'; '.join(beyond)}. Nothing was published and the earlier output stays. Look at the drop, or set a "
            "limit that fits and run again"
        )


def beyond_gates(gates: Mapping[str, float], figures: Mapping[str, float]) -> list[str]:
    """A clause for every figure that is beyond its gate; figures that are not given are not judged."""
    return [
        f"{name} is {_number(figures[name])}, the gate EVENTLOG_GATE_{name.upper()} is "
        f"{'at least' if name in _MINIMUM else 'at most'} {_number(gate)}"
        for name, gate in gates.items()
        if name in figures and (figures[name] < gate if name in _MINIMUM else figures[name] > gate)
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.6g}"
