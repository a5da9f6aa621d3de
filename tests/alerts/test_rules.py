"""Every rule by promtool: it fires, alone; it is silent in an ordinary week; it ends with the next good run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from monitoring.alerts import ALERTS, PAGES_NOBODY
from monitoring.prometheus import rule_file
from services.runtime.gauges import METRICS
from services.runtime.settings import Settings
from tests.alerts.samples import Series, ordinary
from tests.weeks import counts, facts

WEEK = "1970-01-01"
"""promtool's clock starts there."""
BEFORE = [facts("1969-12-25")]
BAD, GOOD = 15, 30
"""Minutes at which the rules are asked: in the bad phase, and in the good one that begins at 20."""
HEALTHY = ordinary(facts(WEEK), BEFORE)


class Case(NamedTuple):
    """What is different while something is wrong; None: the series is not there."""

    alert: str
    bad: dict[str, float | None]
    says: str
    """Part of the summary."""
    labels: dict[str, str]


def _changed(bad: Series) -> dict[str, float | None]:
    """From an ordinary gateway to this one: what changes, comes and goes."""
    goes = dict.fromkeys(HEALTHY.keys() - bad.keys())
    return {name: value for name, value in bad.items() if HEALTHY.get(name) != value} | goes


def _week(**how: Any) -> dict[str, float | None]:
    return _changed(ordinary(facts(WEEK, **how), BEFORE))


def _sample(name: str, stage: str, job: str = "eventlog", **labels: str) -> str:
    inside = ",".join(f'{key}="{value}"' for key, value in {"job": job, "stage": stage, **labels}.items())
    return f"{name}{{{inside}}}"


def _status(stage: str, now: str) -> dict[str, float | None]:
    return {
        _sample("eventlog_status", stage, status=status): float(status == now)
        for status in ("running", "succeeded", "waiting", "failed")
    }


def _failure(stage: str, reason: str) -> dict[str, float | None]:
    return {_sample("eventlog_failure_info", stage): None, _sample("eventlog_failure_info", stage, reason=reason): 1}


def _threshold(rule: str, figure: str, value: float) -> dict[str, float | None]:
    stages = ("ingest", "clean", "feature", "workflow")
    return {_sample("eventlog_threshold", stage, rule=rule, figure=figure): value for stage in stages}


CLEAN = {"stage": "clean", "week": WEEK}
INGEST = {"stage": "ingest", "week": WEEK}
CASES = (
    Case("EventlogRawSize", _week(raw_bytes=4_000_000), "60 % less than the 10.0 MB before", INGEST),
    Case("EventlogSkippedFiles", _week(skipped={"b.parquet": "no footer"}), "comes from file=b.parquet", INGEST),
    Case("EventlogQuarantine", _week(quarantined={"bad_pn": 5_000}), "100 % of the rise comes from reason=bad_pn", INGEST),
    Case("EventlogDuplicates", _week(by_pn={"L5": counts(resends=0.3)}), "of the rise comes from pn=L5", CLEAN),
    Case("EventlogInvalidTimes", _week(by_pn={"I13": counts(invalid_timestamp=0.2)}), "above its limit of 5 %", CLEAN),
    Case("EventlogMissingTimes", _week(by_pn={"I13": counts(missing_timestamp=0.2)}), "missing_timestamp_ratio", CLEAN),
    Case("EventlogUnparsableEv", _week(by_pn={"I13": counts(ev_unparsable=0.2)}), "from ev_status=not_json", CLEAN),
    Case("EventlogEventIdConflicts", _week(by_pn={"I13": counts(event_id_conflicts=0.1)}), "EventId differ", CLEAN),
    Case("EventlogErrorJump", _week(by_pn={"I13": counts(errors=0.2)}), "344 % more than", CLEAN),
    Case(
        "EventlogUnusual",
        _changed(ordinary(facts(WEEK, {"I13": counts(resends=0.13)}), [facts(f"1969-11-{d:02}") for d in range(1, 9)])),
        "duplicate_ratio is unusual; duplicate_ratio is 13 %, above the 8.75 %",
        {**CLEAN, "figure": "duplicate_ratio"},
    ),
    Case("EventlogNotJudged", {_sample("eventlog_judged", "clean"): 0}, "could not be judged after clean", CLEAN),
    Case(
        "EventlogStageFailed",
        _status("clean", "failed") | _failure("clean", "bucket b refuses"),
        "clean failed; bucket b refuses",
        CLEAN,
    ),
    Case("EventlogStageOverSla", {_sample("eventlog_duration_seconds", "clean"): 500}, "8m 20s so far", CLEAN),
    Case(
        "EventlogStageOverSla",
        _status("clean", "running") | _status("workflow", "running"),
        "clean takes longer than it may, 15m 0s so far",
        CLEAN,
    ),
    Case("EventlogTooManyAttempts", {_sample("eventlog_attempt", "clean"): 2}, "needed attempt 2 (from 0)", CLEAN),
    Case(
        "EventlogWorkflowFailed",
        _status("workflow", "failed") | _failure("workflow", "clean(0): OOMKilled (exit code 137)") | _status("clean", "running"),
        f"Run run-{WEEK} failed; clean(0): OOMKilled (exit code 137)",
        {"stage": "workflow"},
    ),
    Case(
        "EventlogWorkflowOverSla",
        {_sample("eventlog_duration_seconds", "workflow"): 1300},
        "21m 40s so far",
        {"stage": "workflow"},
    ),
    Case(
        "EventlogWorkflowOverSla",
        _status("workflow", "running") | {_sample("eventlog_sla_seconds", "workflow"): 600},
        "15m 0s so far",
        {"stage": "workflow"},
    ),
    Case(
        "EventlogNoWeekPublished",
        _threshold("unpublished", "age_seconds", 600) | _threshold("overdue", "age_seconds", 300),
        f"No week after {WEEK} is published",
        {"week": WEEK},
    ),
    Case(
        "EventlogDropOverdue",
        _threshold("overdue", "age_seconds", 300),
        f"The drop after {WEEK} is overdue",
        {"week": WEEK},
    ),
    Case("EventlogSuccessRatio", {_sample("eventlog_success_ratio", "workflow"): 51 / 52}, "98.08%", {"stage": "workflow"}),
    Case("EventlogMetricsLost", dict.fromkeys(HEALTHY), "every other alert is blind", {}),
)  # fmt: skip


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "eventlog.rules.yaml"
    path.write_text(yaml.safe_dump(rule_file(), sort_keys=False))
    return path


def _values(good: float | None, bad: float | None) -> str:
    """A sample a minute: bad until 20, then good."""
    parts = ["_x20" if value is None else f"{value}x19" for value in (bad,)]
    parts.append("stale" if good is None else f"{good}x20")
    return " ".join(parts)


def _series(case: dict[str, float | None], job: str) -> list[dict[str, str]]:
    renamed = {name: name.replace('job="eventlog"', f'job="{job}"') for name in HEALTHY.keys() | case.keys()}
    return [
        {"series": renamed[name], "values": _values(HEALTHY.get(name), case.get(name, HEALTHY.get(name)))}
        for name in sorted(renamed)
    ]


def _unit_test(rules: Path, case: Case, *, job: str = "eventlog", fires: bool = True) -> dict[str, Any]:
    """All rules, asked in both phases: only the case's fires, in the bad one."""
    asked = []
    for minute in (BAD, GOOD):
        for alert in ALERTS:
            expected = []
            if fires and minute == BAD and alert.name == case.alert:
                expected = [{"exp_labels": {"severity": alert.severity}}]
            asked.append({"eval_time": f"{minute}m", "alertname": alert.name, "exp_alerts": expected})
    test = {"interval": "1m", "input_series": _series(case.bad, job), "alert_rule_test": asked}
    return {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}


def _promtool(tmp_path: Path, test: dict[str, Any]) -> str:
    """What promtool says; empty where all is as expected."""
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test, sort_keys=False))
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _fired(said: str) -> list[str]:
    """The alerts that promtool got, as it prints them, where something else was expected."""
    return re.findall(r"got:\[(.*?)\]\n", said, re.DOTALL)


def test_every_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == {alert.name for alert in ALERTS}


def test_prometheus_takes_the_rules(rules: Path) -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", str(rules)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"SUCCESS: {len(ALERTS)} rules found" in done.stdout


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}-{case.says[:20]}")
def test_it_fires_alone_and_ends(rules: Path, tmp_path: Path, case: Case) -> None:
    # Labels and texts are read from what promtool says it got, so that they are asserted in parts.
    said = _promtool(tmp_path, _unit_test(rules, case))
    assert said.count("alertname:") == 1, said
    assert f"alertname: {case.alert}, time: {BAD}m" in said
    got = said.partition("got:")[2]
    assert case.says in got.replace('\\"', '"'), got
    [alert] = [alert for alert in ALERTS if alert.name == case.alert]
    expected = {"alertname": case.alert, "severity": alert.severity, **case.labels}
    for name, value in expected.items():
        assert f'{name}="{value}"' in got, got
    assert "cause=" not in got
    assert 'reason="' not in got.partition("Annotations")[0]
    assert alert.runbook in got


def test_an_ordinary_run_calls_nobody(rules: Path, tmp_path: Path) -> None:
    assert _promtool(tmp_path, _unit_test(rules, Case("", {}, "", {}), fires=False)) == ""


@pytest.mark.parametrize("job", ["eventlog-catchup", "eventlog-backfill", "plant2-backfill"])
def test_jobs_about_the_past_call_nobody(rules: Path, tmp_path: Path, job: str) -> None:
    everything: dict[str, float | None] = {}
    for case in CASES:
        if case.alert != "EventlogMetricsLost":
            everything |= case.bad
    test = _unit_test(rules, Case("", everything, "", {}), job=job, fires=False)
    # The newest week's own job is there as well, else the metrics would be lost.
    test["tests"][0]["input_series"] += _series({}, "eventlog")
    assert _promtool(tmp_path, test) == ""


def test_every_metric_of_a_rule_is_one_that_is_exported() -> None:
    named = {name for alert in ALERTS for name in re.findall(r"eventlog_[a-z_]+", alert.expr)}
    assert named <= METRICS.keys()
    assert re.fullmatch(PAGES_NOBODY, Settings().job_of("2024-05-10", newest="2024-05-17"))
