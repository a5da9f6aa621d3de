"""Settings of the program as values of the chart: the part of values.schema.json that is made, not written.

`python -m tests.chart.values_schema` (as `make docs` does) writes it anew; a test holds it.
"""

import json
from pathlib import Path
from typing import Any

from services.runtime.settings import Settings

SCHEMA = Path(__file__).parents[2] / "helm/values.schema.json"
# What the workflow says itself, or a container knows by itself.
OF_THE_RUN = {
    "week", "force", "memory_limit", "scratch", "push_job", "run_id", "attempt", "termination_log", "outputs",
    "workflow_status", "workflow_failures", "workflow_duration",
}  # fmt: skip
# Where a pod needs more than the program asks for: it has no folder of its own.
_NARROWER: dict[str, dict[str, Any]] = {
    "source": {"type": "string", "pattern": "^s3://[a-z0-9][a-z0-9.-]+(/.*)?$"},
    "lake": {"type": "string", "pattern": "^s3://[a-z0-9][a-z0-9.-]+(/.*)?$"},
    "pushgateway": {"type": ["string", "null"], "pattern": "^https?://[^ ]+$"},
    "volatile_fields": {"type": ["string", "null"]},
}


def settings_schema() -> dict[str, Any]:
    """Names, types, limits and meanings; null leaves a setting to the program."""
    described = Settings.model_json_schema()["properties"]
    return {
        name: {"description": " ".join(said["description"].split()), **(_NARROWER.get(name) or _nullable(said))}
        for name, said in described.items()
        if name not in OF_THE_RUN
    }


def _nullable(said: dict[str, Any]) -> dict[str, Any]:
    """Pydantic's schema of one field, flat and without its default."""
    [flat] = [part for part in said.get("anyOf", [said]) if part.get("type") != "null"]
    kept = {key: value for key, value in flat.items() if key not in {"title", "default", "description"}}
    if "enum" in kept:
        return {"enum": [*kept["enum"], None]}
    return {**kept, "type": [kept["type"], "null"]}


def main() -> None:
    """Write the file anew."""
    schema = json.loads(SCHEMA.read_text())
    schema["properties"]["settings"]["properties"] = settings_schema()
    SCHEMA.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
