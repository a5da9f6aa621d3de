"""Grafana's alert files: no Grafana server is at hand, so they are held against what its code reads."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from monitoring.alerts import ALERTS
from monitoring.grafana import alert_file

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((Path(__file__).parent / "schemas/grafana-alerting.json").read_text())
RULES = {rule["title"]: rule for group in alert_file()["groups"] for rule in group["rules"]}


def _strings(where: Any) -> list[str]:
    match where:
        case str():
            return [where]
        case dict():
            return [text for value in where.values() for text in _strings(value)]
        case list():
            return [text for value in where for text in _strings(value)]
        case _:
            return []


@pytest.mark.parametrize("name", ["alerts.yaml", "contacts.yaml"])
def test_the_file_is_what_grafana_reads(name: str) -> None:
    jsonschema.validate(yaml.safe_load((ROOT / "helm/grafana" / name).read_text()), SCHEMA)


def test_the_schema_would_say_so_if_a_field_were_misspelt_or_missing() -> None:
    for spoil in (lambda rule: rule.update(nodatastate="OK"), lambda rule: rule.pop("condition")):
        made = alert_file()
        spoil(made["groups"][0]["rules"][0])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(made, SCHEMA)


def test_it_has_the_expressions_that_were_tested() -> None:
    assert list(RULES) == [alert.name for alert in ALERTS]
    for alert in ALERTS:
        query, threshold = RULES[alert.name]["data"]
        assert query["model"]["expr"] == alert.expr
        assert (threshold["model"]["expression"], RULES[alert.name]["condition"]) == (
            query["refId"],
            threshold["refId"],
        )
        assert RULES[alert.name]["for"] == alert.hold


def test_nothing_wrong_is_no_data_and_calls_nobody() -> None:
    assert {rule["noDataState"] for rule in RULES.values()} == {"OK"}


def test_what_grafana_expands_when_it_reads_the_file_holds_no_dollar() -> None:
    """It expands $ in names, folders, uids and labels, not in models and annotations."""
    for rule in RULES.values():
        expanded = [*_strings(rule["labels"]), rule["uid"], rule["title"], *(q["datasourceUid"] for q in rule["data"])]
        assert not [text for text in expanded if "$" in text]
        # ${…} is expanded in annotations by newer versions, and $value is another thing there.
        assert not [text for text in rule["annotations"].values() if "${" in text or "$value " in text]


def test_alertmanager_takes_the_example() -> None:
    example = ROOT / "helm/devstack/alertmanager-example.yml"
    done = subprocess.run(["amtool", "check-config", example], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr


def test_contacts_hold_no_secret_and_group_by_week() -> None:
    contacts = yaml.safe_load((ROOT / "helm/grafana/contacts.yaml").read_text())
    settings = [receiver["settings"] for receiver in contacts["contactPoints"][0]["receivers"]]
    secrets = [value for setting in settings for value in setting.values() if isinstance(value, str)]
    assert all(re.fullmatch(r"\$\{EVENTLOG_[A-Z_]+\}", value) for value in secrets)
    [route] = contacts["policies"][0]["routes"]
    assert "week" in route["group_by"]
    assert route["object_matchers"] == [["grafana_folder", "=", alert_file()["groups"][0]["folder"]]]
