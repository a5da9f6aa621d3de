"""The sample's planted cases, each with its answer: every rule finds all of its cases and nothing else."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import pandas as pd
import pyarrow.parquet as pq
import pytest

from services.sample.drop import SampleSpec, write_drop
from services.sample.rules import BIG_RULES, EVEN_ROWS, ORDINARY, RULES
from tests.drops import WEEK, Chain

IDENTITY = ["source_file", "source_row"]
OUTCOME = ["pn", "service_tag", "valid_timestamp", "timestamp_source", "timestamp_status", "ev_status"]
CASES = 1_000
"""Planted cases, and as many near misses, that a rule is judged by."""


class Judged(NamedTuple):
    """Every source row with its rule, whether it was planted, and whether it came out as the answer has it."""

    rows: pd.DataFrame
    errors: int
    """Clean rows that the manifest counts as errors."""

    def of(self, rule: str, *, planted: bool) -> pd.Series[bool]:
        rows = self.rows
        return rows.loc[(rows["rule"] == rule) & (rows["planted"] == planted), "is_right"]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder = tmp_path_factory.mktemp("sample")
    chain = Chain(folder)
    spec = SampleSpec(rows=EVEN_ROWS, weeks=(WEEK,), devices=4_000, seed=20_240_510, files=4, mix="even")
    write_drop(spec, folder / "source", folder / "answers", workers=2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        chain.ingest(workers=2)
        chain.clean(workers=2)
    answers = pq.read_table(folder / "answers" / f"{WEEK}.parquet").to_pandas(types_mapper=pd.ArrowDtype)
    quality = chain.manifest("clean").quality
    assert quality
    return Judged(answers.assign(is_right=_came_out(chain, answers)), quality.counts.errors)


def _came_out(chain: Chain, answers: pd.DataFrame) -> pd.Series[bool]:
    """For each answer whether its row came out so: in quarantine, in clean with these values, or merged into that row."""
    refused = _by_identity(chain.quarantine().select([*IDENTITY, "reason"]))
    raw = _by_identity(chain.rows("ingest").select([*IDENTITY, "pn", "service_tag"]))
    clean = _by_identity(chain.rows("clean").select([*IDENTITY, *OUTCOME, "copies", "event_key"]))
    asked = pd.MultiIndex.from_frame(answers[IDENTITY])
    where = answers.set_index(asked)
    in_quarantine = where["reason"].notna()
    stays = where["copies"].notna()
    right = pd.Series(False, index=asked)
    right |= in_quarantine & (_aligned(refused["reason"], asked) == where["reason"]).fillna(False)
    right |= stays & _equal(clean, where, asked, [*OUTCOME, "copies"])
    # A row that was merged is in raw under its own pn, is not in clean, and the one it merged into is.
    kept = pd.MultiIndex.from_frame(
        answers[["kept_file", "kept_row"]].rename(columns=lambda name: name.replace("kept", "source"))
    )
    merged = ~in_quarantine & ~stays & ~asked.isin(clean.index) & kept.isin(clean.index)
    right |= merged & _equal(raw, where, asked, ["pn", "service_tag"])
    return right.reset_index(drop=True)


def _by_identity(rows: Any) -> pd.DataFrame:
    return rows.to_pandas(types_mapper=pd.ArrowDtype).set_index(IDENTITY)


def _aligned(column: pd.Series[Any], asked: pd.MultiIndex) -> pd.Series[Any]:
    return column.reindex(asked)


def _equal(found: pd.DataFrame, answers: pd.DataFrame, asked: pd.MultiIndex, names: list[str]) -> pd.Series[bool]:
    """Whether a row is there with all these values; null equals null."""
    there = pd.Series(asked.isin(found.index), index=asked)
    for name in names:
        mine, theirs = _aligned(found[name], asked), answers[name]
        there &= ((mine == theirs).fillna(False) | (mine.isna() & theirs.isna())).astype(bool)
    return there


@pytest.mark.parametrize("rule", sorted(set(RULES) - {ORDINARY}))
def test_every_rule_has_precision_and_recall_of_one(judged: Judged, rule: str) -> None:
    cases, near = judged.of(rule, planted=True), judged.of(rule, planted=False)
    least = 1 if rule in BIG_RULES else CASES
    assert min(len(cases), len(near)) >= least, f"{len(cases)} cases and {len(near)} near misses"
    hits, false_alarms = int(cases.sum()), int((~near).sum())
    assert hits / len(cases) == 1.0, f"recall: {hits} of {len(cases)}"
    assert hits / (hits + false_alarms) == 1.0, f"precision: {false_alarms} false alarms"


def test_every_other_row_comes_out_as_its_answer_too(judged: Judged) -> None:
    wrong = judged.rows.loc[~judged.rows["is_right"], ["rule", "planted"]].value_counts().to_dict()
    assert wrong == {}
    assert len(judged.rows) == EVEN_ROWS
    assert int(judged.rows.loc[judged.rows["copies"].notna(), "is_error"].sum()) == judged.errors
