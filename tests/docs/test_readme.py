"""The README says what the program does: its commands run, its tables are the code's."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.contracts import errors
from services.runtime.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
EVENTLOG = Path(sys.executable).with_name("eventlog")


def shell_lines(text: str) -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        yield from (line.partition(" #")[0].strip() for line in block.splitlines() if line.strip())


def eventlog_lines() -> list[str]:
    return [line for line in shell_lines(README) if line.startswith(".venv/bin/eventlog")]


def settings_table() -> str:
    """What the README's table of settings has to be."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = {"workers": "the cores", "run_id": "random"}.get(name) or _shown(field.default)
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {' '.join((field.description or '').split())} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case tuple():
            return f"`{','.join(value)}`"
        case _:
            return f"`{value}`"


def section(title: str) -> str:
    [found] = [part for part in re.split(r"^## ", README, flags=re.MULTILINE) if part.startswith(f"{title}\n")]
    return found


def test_the_settings_table_is_the_settings() -> None:
    assert settings_table() in section("Configure"), f"the table is now\n{settings_table()}"


def test_the_exit_codes_are_those_of_the_errors() -> None:
    table = section("Exit codes")
    codes = [int(code) for row in re.findall(r"^\| ([0-9, ]+) \|", table, re.MULTILINE) for code in row.split(",")]
    assert sorted(codes) == sorted(errors.SEVERITY)
    assert str(errors.SEVERITY) in table
    assert {kind.exit_code for kind in errors.PipelineError.__subclasses__()} <= set(codes)


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", document.read_text(), re.MULTILINE))
        assert named <= targets, document.name


def test_every_link_leads_somewhere() -> None:
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(((?!https:)[^)]+)\)", document.read_text()):
            path, _, anchor = link.partition("#")
            target = document.parent / path if path else document
            assert target.exists(), f"{document.name}: {link}"
            assert not anchor or anchor in _anchors(target), f"{document.name}: {link}"


def _anchors(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("line", eventlog_lines())
def test_a_command_of_the_readme_runs(line: str, small_lake: Path, tmp_path: Path) -> None:
    shutil.copytree(small_lake, tmp_path, dirs_exist_ok=True)  # some publish again, and others read the small lake
    words = shlex.split(line)[1:]
    if any("s3://" in word for word in words):
        words = [words[0], "--help"]  # what it needs is no test's to have; tests/integration has a store
    if words[0] in {"accept", "metrics"}:
        words = [*words, "--help"]  # these need a finding and a gateway; tests/alerts has both
    words = ["AWKWARD" if word == "KW2H8B3" else word for word in words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    done = subprocess.run(
        [EVENTLOG, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
