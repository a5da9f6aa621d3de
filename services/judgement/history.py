"""What a figure's own past lets expect: robust median and spread of the last ordinary weeks.

Median and MAD instead of mean and deviation: one odd week among eight moves them little.
"""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

WEEKS = 8
"""Newest ordinary weeks that count: two months, so that a slow trend is followed."""
LEARNING = 6
"""With fewer weeks nothing is said: a spread out of five values is mostly chance."""

_SIGMA = 1.4826
"""MAD of a normal distribution times this is its standard deviation."""
_RELATIVE_ROOM = 0.25
"""Share of the median that is ordinary whatever the spread: weeks that hardly differ are no reason to call."""
_ABSOLUTE_ROOM = 0.002
"""The same for ratios, in rows per row: a quarter of next to nothing is nothing."""


class Value(NamedTuple):
    """A figure of an ordinary week."""

    number: float
    accepted: bool = False
    """A person said that it is real: it is the measure until the median has caught up."""


class Expected(NamedTuple):
    """The range within which a figure is ordinary."""

    low: float
    high: float
    median: float
    weeks: int


def expected(past: Sequence[Value], *, deviations: float, ratio: bool) -> Expected | None:
    """The range that the newest `WEEKS` of these values give, oldest first; None while learning."""
    recent = past[-WEEKS:]
    if len(recent) < LEARNING:
        return None
    middle = median(value.number for value in recent)
    spread = _SIGMA * median(abs(value.number - middle) for value in recent)
    room = max(deviations * spread, _RELATIVE_ROOM * abs(middle), _ABSOLUTE_ROOM if ratio else 0.0)
    measures = [middle, *(value.number for value in recent if value.accepted)]
    return Expected(min(measures) - room, max(measures) + room, middle, len(recent))
