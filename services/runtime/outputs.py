"""Facts of a run as small files: Argo reads the output parameters of a step there."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from services.contracts.errors import UsageError
from services.runtime.settings import Settings

if TYPE_CHECKING:
    from services.contracts.manifest import Manifest

_ROWS_IN = {"ingest": "source_rows", "clean": "raw_rows", "feature": "clean_rows"}
"""The term of each stage's ledger that says what it read."""


def leave_outputs(settings: Settings, facts: Mapping[str, object]) -> None:
    """Write one file a fact into the folder of the settings, if there is one; UsageError where that is refused."""
    if settings.outputs is None:
        return
    try:
        settings.outputs.mkdir(parents=True, exist_ok=True)
        for name, value in facts.items():
            (settings.outputs / name).write_text(str(value))
    except OSError as refused:
        raise UsageError(f"EVENTLOG_OUTPUTS={settings.outputs}: cannot be written ({refused.strerror})") from refused


def stage_outputs(manifest: "Manifest | None") -> dict[str, int]:
    """Rows in, out, merged and refused, of what is published; zeros where nothing is known to be."""
    if manifest is None:
        return dict.fromkeys(("rows-in", "rows-out", "duplicates", "quarantined"), 0)
    quarantined = manifest.ledger.get("quarantined_rows", 0)
    return {
        "rows-in": manifest.ledger[_ROWS_IN[manifest.stage]],
        "rows-out": sum(output.rows for output in manifest.outputs) - quarantined,
        "duplicates": manifest.ledger.get("resends", 0),
        "quarantined": quarantined,
    }
