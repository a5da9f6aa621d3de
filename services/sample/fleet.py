"""The notebooks in the field: their tags, products and habits."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from services.sample.draws import Flags, Floats, Ints, Numbers, below, number, uniform

PRODUCTS = {
    "I13": 22, "I15": 17, "L5": 13, "L7": 10, "X1": 9, "X1C": 7, "T14": 6, "T16": 5, "P1": 4, "E14": 3, "G5": 2,
    "S9": 1.5, "L5/Pro": 0.4, "007": 0.1,
}  # fmt: skip
"""Product name to share of the devices. The last two are names that a careless path or a careless reader breaks."""

SYSTEMS = ("10.0.19045", "10.0.22621", "10.0.22631", "10.0.26100")
FIRMWARES = ("1.9.0", "1.12.1", "1.14.2", "1.17.0", "2.3.1")

_LETTERS = "0123456789BCDFGHJKLMNPQRSTVWXYZ"
_TAG_LENGTH = 7
_ANOMALOUS_ONE_IN = 200


class Fleet(NamedTuple):
    """One entry per device; `product`, `system` and `firmware` are indices into the names above."""

    tags: list[str]
    product: Ints
    system: Ints
    firmware: Ints
    anomalous: Flags
    busy: Floats
    """Cumulative share of the events: a heavy tail, as some devices log a hundred times more than most."""


@lru_cache(maxsize=1)
def fleet(devices: int, seed: int) -> Fleet:
    ids: Numbers = np.arange(devices, dtype=np.uint64) + np.uint64(number(seed, 2) >> 1)
    shares = np.cumsum(np.array(list(PRODUCTS.values())))
    anomalous = below(ids, 4, _ANOMALOUS_ONE_IN) == 0
    anomalous[devices // 2] = True
    return Fleet(
        tags=[_tag(index, seed) for index in range(devices)],
        product=np.searchsorted(shares, uniform(ids, 1) * shares[-1], side="right"),
        system=below(ids, 2, len(SYSTEMS)),
        firmware=below(ids, 3, len(FIRMWARES)),
        anomalous=anomalous,
        busy=_busy(ids, anomalous),
    )


def _tag(index: int, seed: int) -> str:
    """Unique: the factor is a prime that does not divide the number of tags."""
    code = (index * 2_654_435_761 + seed * 7_919) % len(_LETTERS) ** _TAG_LENGTH
    letters = []
    for _ in range(_TAG_LENGTH):
        code, letter = divmod(code, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return "".join(letters)


def _busy(ids: Numbers, anomalous: Flags) -> Floats:
    """Log-normal weights (Box-Muller); anomalous devices log three times as much."""
    normal = np.sqrt(-2 * np.log(1 - uniform(ids, 5))) * np.cos(2 * np.pi * uniform(ids, 6))
    weights = np.cumsum(np.exp(1.3 * normal) * np.where(anomalous, 3.0, 1.0))
    total: Floats = weights / weights[-1]
    return total
