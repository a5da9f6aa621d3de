"""`python -m monitoring FOLDER` writes what is made of the alerts and the dashboard, as it lies in helm/ and docs/."""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from monitoring.dashboard import dashboard
from monitoring.document import document
from monitoring.grafana import alert_file
from monitoring.prometheus import rule_file

_MADE = "# Made by `make docs` from monitoring/; change it there.\n"


def files() -> dict[str, str]:
    """Text by path in the repository."""
    return {
        "helm/rules/eventlog.rules.yaml": _yaml(rule_file()),
        "helm/grafana/alerts.yaml": _yaml(alert_file()),
        "helm/dashboards/eventlog.json": json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n",
        "docs/monitoring.md": document(),
    }


def _yaml(document: dict[str, Any]) -> str:
    return _MADE + yaml.safe_dump(document, sort_keys=False, width=1000, allow_unicode=True)


if __name__ == "__main__":
    for name, text in files().items():
        path = Path(sys.argv[1]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
