"""The list of what can be planted, and how often."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from services.sample.draft import GroupPlant, Plant, ResendRule, Rule
from services.sample.draws import Floats
from services.sample.ev_plants import BIG_RULES, EV_RULES
from services.sample.resend_plants import RESEND_RULES
from services.sample.row_plants import ROW_RULES
from services.sample.time_plants import TIME_RULES

Mix = Literal["field", "even"]
"""`field`: as often as in the field, rare faults being rare. `even`: every rule as often as any other, for tests."""

EVEN_ROWS = 200_000
"""Rows a week from which an even mix holds at least 1,000 planted cases and 1,000 near misses of every rule but
`ev_too_big`, of which there are a handful in any drop of BIG_ROWS and more."""

BIG_ROWS = 50_000

ORDINARY = "ordinary"

_SINGLE_RULES: dict[str, Rule] = {**TIME_RULES, **ROW_RULES, **EV_RULES}

RULES: dict[str, str] = {
    ORDINARY: "nothing is planted here; also the row that stays of a group of re-sends",
    **{label: rule.meaning for label, rule in (_SINGLE_RULES | BIG_RULES).items()},
    **{label: rule.meaning for label, rule in RESEND_RULES.items()},
}
"""Label to meaning, as in the column `rule` of the answers."""


class Kind(NamedTuple):
    """One side of a rule: the cases it applies to, or the near misses."""

    label: str
    planted: bool
    plant: Plant | None = None
    group_plant: GroupPlant | None = None
    merges: bool = False
    by_log_time: bool = False


class Mixture(NamedTuple):
    """Cumulative shares, aligned with SINGLE_KINDS and GROUP_KINDS, and how many guests the events of a block have."""

    singles: Floats
    groups: Floats
    guests: tuple[int, ...]


def _sides(label: str, rule: Rule) -> tuple[Kind, Kind]:
    return Kind(label, True, rule.planted), Kind(label, False, rule.near_miss)


def _group_sides(label: str, rule: ResendRule) -> tuple[Kind, Kind]:
    merging = Kind(label, True, group_plant=rule.planted, merges=True, by_log_time=rule.time == "LogTime")
    return merging, Kind(label, False, group_plant=rule.near_miss)


SINGLE_KINDS = tuple(kind for label, rule in _SINGLE_RULES.items() for kind in _sides(label, rule))
BIG_KINDS = tuple(kind for label, rule in BIG_RULES.items() for kind in _sides(label, rule))
GROUP_KINDS = tuple(kind for label, rule in RESEND_RULES.items() for kind in _group_sides(label, rule))

KINDS = (Kind(ORDINARY, False), *SINGLE_KINDS, *BIG_KINDS, *GROUP_KINDS)
FIRST_SINGLE = 1
FIRST_BIG = FIRST_SINGLE + len(SINGLE_KINDS)
FIRST_GROUP = FIRST_BIG + len(BIG_KINDS)
LOST_PN = next(number for number, kind in enumerate(KINDS) if kind.label == "resend_lost_pn" and kind.planted)

# Guests are 8 % of the rows in the field, of which some are near misses; a fifth of an even mix.
_FIELD_GUESTS = (1, 1, 2)
_EVEN_GUESTS = (1, 1, 1, 1, 1, 2, 3)
# What is left of an even mix is ordinary.
_EVEN_SINGLES = 0.8


def mixture(mix: Mix) -> Mixture:
    match mix:
        case "field":
            singles = [share for rule in _SINGLE_RULES.values() for share in (rule.share, rule.near_share)]
            groups = [share for rule in RESEND_RULES.values() for share in (rule.share, rule.near_share)]
            return Mixture(np.cumsum(singles), np.cumsum(groups), _FIELD_GUESTS)
        case "even":
            singles = [_EVEN_SINGLES / len(SINGLE_KINDS)] * len(SINGLE_KINDS)
            groups = [1 / len(GROUP_KINDS)] * len(GROUP_KINDS)
            return Mixture(np.cumsum(singles), np.cumsum(groups), _EVEN_GUESTS)
