"""The dashboard: well made by its file, and every query of it answered by a Prometheus that holds a season of weeks."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitoring.dashboard import dashboard
from services.runtime.gauges import METRICS
from tests.alerts.samples import Series, ordinary
from tests.alerts.servers import ask, free_port, prometheus
from tests.weeks import counts, facts

WEEKS = 26
STEP = 6 * 3600
PANELS = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
QUERIES = [(panel, target) for panel in PANELS for target in panel["targets"]]
VARIABLES = {"$job": "eventlog", "$figure": "duplicate_ratio"}


def test_it_is_provisioned_as_it_is() -> None:
    made = dashboard()
    assert (made["uid"], made["editable"]) == ("eventlog", False)
    assert "__inputs" not in made, "an export's placeholders break provisioning"
    assert "id" not in made, "an id is the database's"


def test_every_panel_has_an_id_a_unit_and_a_description() -> None:
    made = dashboard()["panels"]
    assert [panel["id"] for panel in made] == list(range(1, len(made) + 1))
    for panel in PANELS:
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
    titles = [panel["title"] for panel in made]
    assert len(set(titles)) == len(titles)


def test_every_query_uses_the_variable_data_source_and_job() -> None:
    for panel, target in QUERIES:
        for where in (panel, target):
            assert where["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        assert 'job="$job"' in target["expr"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    names = {variable["name"] for variable in dashboard()["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", str([panel["title"] for panel in PANELS] + [t for _, t in QUERIES])))
    assert names == used


def test_panels_do_not_overlap_and_fill_the_width() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies over {taken.get((x, y))}"
                taken[x, y] = panel["title"]
    lines = {y for _, y in taken}
    assert lines == set(range(max(lines) + 1))
    assert len(taken) == 24 * len(lines), "no hole beside a panel"


def test_every_metric_is_one_that_is_exported() -> None:
    named = {name for _, target in QUERIES for name in re.findall(r"eventlog_[a-z_]+", target["expr"])}
    assert named <= METRICS.keys()


def _season() -> Iterator[tuple[float, Series]]:
    """What a gateway holds at each time: a new week every seventh day, a flood in the last."""
    newest = dt.date(2024, 5, 10)
    weeks = [newest - dt.timedelta(weeks=back) for back in reversed(range(WEEKS))]
    past = []
    for number, day in enumerate(weeks):
        flood = {"resends": 0.3} if number == WEEKS - 1 else {}
        parts = {"I13": counts(60_000 + 500 * number), "L5": counts(40_000, **flood)}
        now = facts(day.isoformat(), parts, raw_bytes=10_000_000 + 100_000 * number)
        begun = dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC).timestamp()
        held = ordinary(now, past, begun=begun)
        # The manifest knows the drop before; tests/weeks.py does not.
        if past:
            held['eventlog_raw_bytes_previous{job="eventlog",stage="ingest"}'] = 10_000_000 + 100_000 * (number - 1)
        past.append(now)
        for step in range(7 * 86400 // STEP):
            yield begun + step * STEP, held


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, float]]:
    """Port of a Prometheus over the season, and the time of its newest samples."""
    folder = tmp_path_factory.mktemp("season")
    lines: dict[str, list[str]] = {}
    last = 0.0
    for time, held in _season():
        last = time
        for name, value in held.items():
            lines.setdefault(name, []).append(f"{name} {value!r} {time:.0f}")
    families: dict[str, list[str]] = {}
    for name, found in lines.items():
        families.setdefault(name.partition("{")[0], []).extend(found)
    text = "".join(f"# TYPE {family} gauge\n" + "\n".join(found) + "\n" for family, found in families.items())
    (folder / "season.om").write_text(text + "# EOF\n")
    done = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "--max-block-duration=9999h", "openmetrics", "season.om", "data"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    port = free_port()
    with prometheus(folder, {"global": {"scrape_interval": "1m"}}, port):
        yield port, last


def _expr(target: dict[str, Any]) -> str:
    expr = target["expr"]
    for variable, value in VARIABLES.items():
        expr = expr.replace(variable, value)
    return expr


@pytest.mark.parametrize(("panel", "target"), QUERIES, ids=[f"{p['title']}-{t['refId']}" for p, t in QUERIES])
def test_every_query_is_answered_over_a_season(
    season: tuple[int, float], panel: dict[str, Any], target: dict[str, Any]
) -> None:
    port, now = season
    if target["instant"]:
        found = ask(port, "query", query=_expr(target), time=now)["result"]
        assert found, panel["title"]
        return
    answer = ask(port, "query_range", query=_expr(target), start=now - WEEKS * 7 * 86400, end=now, step=STEP)["result"]
    assert answer, panel["title"]
    for series in answer:
        points = len(series["values"])
        steps = WEEKS * 7 * 86400 // STEP
        assert points >= steps - 7 * 86400 // STEP, f"{panel['title']}: {points} of {steps} points"


def test_what_is_shown_is_what_was_pushed(season: tuple[int, float]) -> None:
    port, now = season

    def shown(title: str) -> dict[str, float]:
        [panel] = [panel for panel in PANELS if panel["title"] == title]
        found: dict[str, float] = {}
        for target in panel["targets"]:
            for sample in ask(port, "query", query=_expr(target), time=now)["result"]:
                legend = re.sub(r"{{(\w+)}}", lambda m, s=sample: s["metric"].get(m[1], ""), target["legendFormat"])
                found[legend] = float(sample["value"][1])
        return found

    assert shown("Last run") == {"ingest": 0, "clean": 0, "feature": 0, "workflow": 0}
    assert shown("Found in it") == {"findings": 1}
    assert shown("Time against SLA") == pytest.approx(
        {"ingest": 0.5, "clean": 0.5, "feature": 0.5, "workflow": 500 / 1200}
    )
    assert shown("Size of the drop against the one before") == pytest.approx(
        {"this drop": 12.5e6, "the drop before": 12.4e6, "most": 16.12e6, "least": 8.68e6}
    )
    assert shown("$figure by product") == pytest.approx({"I13": 0.07, "L5": 0.3})
    assert shown("Newest week published") == {"week": 1000 * dt.datetime(2024, 5, 10, tzinfo=dt.UTC).timestamp()}


def test_the_variables_find_their_values(season: tuple[int, float]) -> None:
    port, now = season
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
            values = ask(port, f"label/{label}/values", **{"match[]": metric, "start": now - 600, "end": now})
            assert variable["current"]["value"] in values


def test_the_file_is_what_grafana_is_given() -> None:
    import json

    root = Path(__file__).parents[2]
    assert json.loads((root / "helm/dashboards/eventlog.json").read_text()) == dashboard()
