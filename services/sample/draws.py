"""Randomness without state: every draw is a hash of what it is for.

A re-send repeats an event of another file, and the files are made in different processes. Because an event is a pure
function of its number, any process can make it again, and the bytes do not depend on who makes what, or when.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

T = TypeVar("T")

_GOLDEN = 0x9E3779B97F4A7C15
_SALT = 0xD1342543DE82EF95
_MASK = (1 << 64) - 1


def draw(ids: Numbers, salt: int) -> Numbers:
    """64 random bits for each id; another salt gives bits that are independent of the first."""
    return _mixed(ids + np.uint64(salt * _SALT & _MASK))


def below(ids: Numbers, salt: int, limit: int) -> Ints:
    return (draw(ids, salt) % np.uint64(limit)).astype(np.int64)


def uniform(ids: Numbers, salt: int) -> Floats:
    """In [0, 1)."""
    return (draw(ids, salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def number(*parts: int) -> int:
    """One number below 2**64 from several, for the start of a sequence of ids."""
    state = 0
    for part in parts:
        state = int(_mixed(np.array([(state ^ part) & _MASK], dtype=np.uint64))[0])
    return state


class Pick:
    """The small choices of one planted row, one after the other."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, limit: int) -> int:
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return (self._state >> 33) % limit

    def of(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]


def _mixed(values: Numbers) -> Numbers:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014); wraps around by design."""
    z = values + np.uint64(_GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
