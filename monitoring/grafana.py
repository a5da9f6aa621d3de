"""The alerts as Grafana provisions them from a file: the very expressions that are tested against Prometheus."""

from typing import Any

from monitoring.alerts import ALERTS, KEEP, Alert

FOLDER = "Event log"
DATASOURCE = "prometheus"
"""uid of the Prometheus data source; the chart puts its value `alerts.datasource` here."""
_LOOK_BACK = 600
"""Seconds; an instant query looks at its end alone, but the field is asked for."""


def alert_file() -> dict[str, Any]:
    """Groups of rules, in the order of the alerts."""
    groups = dict.fromkeys(alert.group for alert in ALERTS)
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": f"eventlog-{group}",
                "folder": FOLDER,
                "interval": "1m",
                "rules": [_rule(alert) for alert in ALERTS if alert.group == group],
            }
            for group in groups
        ],
    }


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "uid": alert.name.lower(),
        "title": alert.name,
        "condition": "B",
        "data": [_query(alert), _exists()],
        # A query that finds nothing wrong has no data; a gateway that is lost is an alert of its own.
        "noDataState": "OK",
        "execErrState": "Error",
        "for": alert.hold,
        "keepFiringFor": KEEP,
        # Grafana expands $ in labels when it reads the file ($$ stands for one), in annotations it does not; so
        # labels here have none.
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": _for_grafana(alert.summary),
            "description": _for_grafana(alert.description),
            "runbook_url": alert.runbook,
        },
    }


def _query(alert: Alert) -> dict[str, Any]:
    return {
        "refId": "A",
        "relativeTimeRange": {"from": _LOOK_BACK, "to": 0},
        "datasourceUid": DATASOURCE,
        "model": {"refId": "A", "expr": alert.expr, "instant": True, "range": False},
    }


def _exists() -> dict[str, Any]:
    """Prometheus fires for every sample of the expression, Grafana for a value: none of ours is negative."""
    return {
        "refId": "B",
        "relativeTimeRange": {"from": _LOOK_BACK, "to": 0},
        "datasourceUid": "__expr__",
        "model": {
            "refId": "B",
            "type": "threshold",
            "expression": "A",
            "conditions": [{"evaluator": {"type": "gt", "params": [-1]}}],
        },
    }


def _for_grafana(text: str) -> str:
    """`$value` is the number in Prometheus and a description of all queries in Grafana."""
    return text.replace("$value", "$values.A.Value")
