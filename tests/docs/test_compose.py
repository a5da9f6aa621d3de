"""compose.yaml: what it starts can be named otherwise, is closed to the network, and is what the Makefile builds."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
VERSION = re.findall(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]


def test_every_image_is_a_variable() -> None:
    assert all(re.match(r"\$\{[A-Z_]+:-", service["image"]) for service in SERVICES.values())


def test_the_stages_are_those_that_make_images_builds() -> None:
    ours = {name: s["image"] for name, s in SERVICES.items() if "eventlog-" in s["image"]}
    assert {re.sub(r".*(eventlog-[a-z]+):.*", r"\1", image) for image in ours.values()} == {
        "eventlog-ingest",
        "eventlog-clean",
        "eventlog-feature",
    }
    assert all(image.endswith(f"${{IMAGE_TAG:-{VERSION}}}") for image in ours.values())


def test_nothing_listens_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_there_is_no_password_in_it() -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert not re.search(r"PASSWORD: +[^$\s]", text)
    assert "/compose/.env" in (ROOT / ".gitignore").read_text().split()


def test_services_give_up_what_they_do_not_need() -> None:
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        if "eventlog-" in service["image"]:
            assert service["read_only"], name
            assert service["profiles"] == ["run"], (
                f"{name} is a one-shot service: up starts it only when it is asked for"
            )


def test_mounted_files_are_there() -> None:
    mounts = [
        volume for service in SERVICES.values() for volume in service.get("volumes", []) if volume.startswith("./")
    ]
    assert all((ROOT / mount.split(":")[0]).exists() for mount in mounts)
