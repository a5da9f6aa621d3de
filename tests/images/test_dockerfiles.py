"""What the three files have in common is written alike, so that its layers are made once."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.images.containers import STAGES

ROOT = Path(__file__).parents[2]
FILES = {stage: (ROOT / f"Dockerfile.{stage}").read_text() for stage in STAGES}


@pytest.mark.parametrize("part", ["packages", "tools", "kernel"])
def test_the_shared_layers_are_written_alike(part: str) -> None:
    assert len({_part(text, part) for stage, text in FILES.items() if (stage, part) != ("feature", "kernel")}) == 1


def test_the_last_part_differs_in_nothing_but_the_stage() -> None:
    lasts = set()
    for stage, text in FILES.items():
        last = text[text.rindex("FROM ") :].replace(stage, "STAGE")
        last = re.sub(r'description="[^"]+"', "description", last)
        lasts.add(last.replace("COPY --from=kernel /kernel /app\n", ""))
    assert len(lasts) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_the_version_in_the_label_is_that_of_the_program(stage: str) -> None:
    assert f"ARG VERSION={version('eventlog')}\n" in FILES[stage]


def _part(text: str, name: str) -> str:
    return next(part for part in text.split("\nFROM ") if part.partition("\n")[0].endswith(f" AS {name}"))
