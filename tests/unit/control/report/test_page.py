"""The page: what stands in it, and that nothing from a drop can become more than text."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from services.contracts.manifest import Counts
from services.control.report import numbers
from services.control.report.facts import Part
from services.control.report.gather import gather
from services.control.report.page import KINDS, page
from services.lake.store import open_store
from tests.drops import NEXT_WEEK, WEEK, row, table

_HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}"
_FILE = "<svg onload=alert(1)>&amp;.parquet"
_LARGEST = 500_000
"""Bytes of a page."""


class _Read(HTMLParser):
    """Elements with their attributes, and the text of each table's cells by its caption's id."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.tables, self._table, self._cell, self._open = [], {}, None, None, []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.elements.append((tag, given))
        if tag == "caption":
            self._table = self.tables.setdefault(given["id"], [])
        if tag == "tr" and self._table is not None:
            self._table.append([])
        if tag in ("td", "th") and self._table is not None:
            self._table[-1].append("")
            self._cell = self._table[-1]

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._cell = None
        if tag == "table":
            self._table = None

    def handle_data(self, data):
        self.text += data
        if self._cell is not None:
            self._cell[-1] += data.strip()


@pytest.fixture
def lake(chain):
    """An ordinary week, and one whose product, file and column are named to break a page."""
    chain.drop({"a.parquet": table(row(), row(), row("T2"))})
    drop = table(row(pn=_HOSTILE), row(pn=_HOSTILE), row("T2", cat="Error"), row(tag=None), row(ev="{"))
    chain.drop({_FILE: drop.append_column(_HOSTILE, pa.array(["x"] * len(drop)))}, NEXT_WEEK)
    chain.run(WEEK, NEXT_WEEK)
    return open_store(str(chain.lake))


@pytest.fixture
def report(chain, lake):
    return gather(chain.settings(), lake)


def test_the_funnel_shows_the_ledgers(report):
    rows = _Read(page(report)).tables["rows-table"][1:]
    terms = ("source_rows", "quarantined_rows", "raw_rows", "resends", "clean_rows")
    assert [cells[1] for cells in rows] == [numbers.count(report.ledger[term]) for term in terms]


def test_every_figure_stands_in_the_table_as_it_is_in_the_manifest(report):
    rows = _Read(page(report)).tables["figures-table"][1:]
    assert len(rows) == len(report.comparisons) == len(KINDS)
    shown = {cells[0]: cells[2] for cells in rows}
    for compared in report.comparisons:
        kind = KINDS[compared.figure]
        (label,) = [label for label in shown if label.startswith(kind.label) and label.endswith(kind.meaning)]
        assert shown[label] == kind.spell(compared.now)


def test_products_quarantine_and_costs_are_shown(report):
    tables = _Read(page(report)).tables
    assert [cells[:2] for cells in tables["quarantine-table"][1:] if cells[1] != "0"] == [["no_service_tag", "1"]]
    assert [cells[0] for cells in tables["products-table"][1:]] == [_HOSTILE, "I13"]
    assert tables["files-table"][1][0] == _FILE
    assert tables["columns-table"][1][0] == _HOSTILE
    assert len(tables["cost-table"]) == 1 + len(report.cost.estimates)


def test_the_finding_that_decided_is_named_with_its_rule(report):
    shown = _Read(page(report)).text
    for finding in report.verdict.judgement.findings:
        assert finding.rule in shown
        assert finding.sentence.removeprefix(f"week {NEXT_WEEK}: ") in shown


def test_names_from_a_drop_stay_text(report):
    read = _Read(page(report))
    tags = {tag for tag, _ in read.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "link", "base", "form", "foreignobject", "use"}
    assert not [name for _, given in read.elements for name in given if name.startswith("on")]
    assert read.text.count(_HOSTILE) >= 3
    assert "{{7*7}}" in read.text  # and no template has seen it


def test_nothing_points_outside(report):
    text = page(report)
    read = _Read(text)
    addresses = [g[name] for _, g in read.elements for name in ("href", "src", "action", "xlink:href") if name in g]
    assert addresses
    assert all(re.fullmatch(r"#[a-z]+", address) for address in addresses)
    style = text[text.index("<style>") : text.index("</style>")]
    assert not re.search(r"url\(|@import|expression", style)
    ids = {given["id"] for _, given in read.elements if "id" in given}
    assert {address[1:] for address in addresses} <= ids


def test_ids_are_unique_and_what_is_named_is_there(report):
    read = _Read(page(report))
    ids = [given["id"] for _, given in read.elements if "id" in given]
    assert len(ids) == len(set(ids))
    assert {given["aria-labelledby"] for _, given in read.elements if "aria-labelledby" in given} <= set(ids)


def test_every_chart_says_what_it_shows(report):
    charts = [given for tag, given in _Read(page(report)).elements if tag == "svg" and given.get("role") == "img"]
    assert charts
    assert all(given["aria-label"] for given in charts)


def test_the_same_facts_give_the_same_page(report):
    assert page(report) == page(report)


def test_two_thousand_products_stay_a_small_page(report):
    counts = Counts(raw_rows=5000, clean_rows=4800, resends=200, errors=100, valid_timestamp=4800)
    many = tuple(Part(f"P{n:04d}-{'x' * 60}", counts, replace(counts, raw_rows=n, errors=n)) for n in range(2000))
    text = page(replace(report, products=many, files=many))
    assert len(text.encode()) < _LARGEST
    assert "and 1,980 more" in _Read(text).text
