"""The alerts as a Prometheus rule file; the chart makes a PrometheusRule of the same groups."""

from typing import Any

from monitoring.alerts import ALERTS, KEEP, Alert

# Labels that carry a text: it stands in the summary, and an alert's identity must not change with it.
TEXTS = ("cause", "reason")


def rule_file() -> dict[str, Any]:
    """The groups, in the order of the alerts."""
    groups = dict.fromkeys(alert.group for alert in ALERTS)
    return {
        "groups": [
            {"name": f"eventlog-{group}", "rules": [_rule(alert) for alert in ALERTS if alert.group == group]}
            for group in groups
        ]
    }


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        **({"for": alert.hold} if alert.hold != "0m" else {}),
        "keep_firing_for": KEEP,
        "labels": {"severity": alert.severity, **{text: "" for text in TEXTS if f"$labels.{text}" in alert.summary}},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": alert.runbook,
        },
    }
