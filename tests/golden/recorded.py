"""The bytes that a fixed drop becomes. `python -m tests.golden.recorded` records them anew under the contract's version."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from services.contracts import CONTRACT_VERSION
from tests.drops import Chain
from tests.planted.drop import drops

FOLDER = Path(__file__).parent


def golden_path(version: int = CONTRACT_VERSION) -> Path:
    return FOLDER / f"contract-{version}.json"


def outputs(folder: Path, **chosen: object) -> dict[str, str]:
    """SHA-256 of every file that the chain makes of the drop, by key, under some settings."""
    chain = Chain(folder)
    for week, files in drops().items():
        chain.drop(files, week)
    chain.run(*drops(), **chosen)
    return chain.published()


def _record() -> None:
    path = golden_path()
    with tempfile.TemporaryDirectory() as folder:
        made = outputs(Path(folder))
    if path.exists() and json.loads(path.read_text()) != made:
        raise SystemExit(
            f"{path.name} holds other bytes: raise CONTRACT_VERSION and say so in the CHANGELOG, then record"
        )
    path.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    _record()
