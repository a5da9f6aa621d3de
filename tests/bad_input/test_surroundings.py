"""Everything around the drop: places that are not there or closed, options that do not exist, a disk that is full."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.bad_input.user import Seen, User, in_a_process, listing, untouched
from tests.drops import WEEK, Chain, ev, row, table

NOBODY = 65534
# The interpreter and its library may lie where only their owner can read: all of it is used once before the change.
_AS_NOBODY = """
import os, sys
from services.cli import app
warm, arguments = sys.argv[1], sys.argv[2:]
for command in (["--version"], ["run", "--quiet", "--source", warm, "--lake", warm + "/lake"]):
    try:
        app.main(command)
    except SystemExit:
        pass
os.setgroups([]); os.setgid(65534); os.setuid(65534)
print("---"); print("---", file=sys.stderr); sys.stdout.flush()
app.main(arguments)
"""


# ---- the source and the week


def test_a_source_that_is_not_there(user: User, tmp_path: Path) -> None:
    with untouched(user.chain.lake):
        seen = user.run("run", "--source", str(tmp_path / "nowhere"), "--lake", str(user.chain.lake))
    seen.failed(2, str(tmp_path / "nowhere"), "there is no such folder", "check the path")


def test_a_source_that_is_a_file(user: User, week_folder: Path) -> None:
    file = str(week_folder / "good.parquet")
    with untouched(user.chain.lake):
        user.run("run", "--source", file, "--lake", str(user.chain.lake)).failed(2, file, "check the path")


@pytest.mark.parametrize("folders", [(), ("not-a-week", "2024-13-01", "week=2024-05-10")])
def test_a_source_without_drops(user: User, tmp_path: Path, folders: tuple[str, ...]) -> None:
    for name in ("source", *(f"source/{folder}" for folder in folders)):
        (tmp_path / name).mkdir()
    with untouched(user.chain.lake):
        seen = user.run("run", "--source", str(tmp_path / "source"), "--lake", str(user.chain.lake))
    seen.failed(5, str(tmp_path / "source"), "no folder is named by a date", "check --source")


def test_a_week_that_has_not_arrived(user: User) -> None:
    with untouched(user.chain.lake):
        user.ingest(week="2024-05-17").failed(5, "2024-05-17", "there is no such drop", "or wait for it")


@pytest.mark.parametrize("leftover", [None, "_SUCCESS", "part-0.parquet.tmp"])
def test_a_week_without_files(user: User, week_folder: Path, leftover: str | None) -> None:
    (week_folder / "good.parquet").unlink()
    if leftover:
        (week_folder / leftover).write_bytes(b"")
    with untouched(user.chain.lake):
        user.ingest().failed(5, f"{week_folder}: no file ends in .parquet", "has not arrived yet")


@pytest.mark.parametrize(
    "week", ["2024-02-30", "2024-13-01", "20240510", "2024-5-10", "today", "../2024-05-10", "٢٠٢٤-٠٥-١٠"]
)
def test_a_week_that_is_no_date(user: User, week: str) -> None:
    with untouched(user.chain.lake):
        user.ingest(week=week).failed(2, "--week", week, "must be a calendar date such as 2024-05-10, or auto")


def test_a_drop_that_is_still_arriving(user: User, week_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(week_folder / "good.parquet")
    monkeypatch.setenv("EVENTLOG_SETTLE_SECONDS", "900")
    with untouched(user.chain.lake):
        user.ingest().failed(5, WEEK, "may still be arriving", "run again in", "EVENTLOG_SETTLE_SECONDS=900")


def test_one_bad_week_does_not_stop_the_others(user: User) -> None:
    """The worst exit code wins, and what was good is published."""
    for week, content in (("2024-05-03", b""), ("2024-05-17", None)):
        folder = user.chain.root / "source" / week
        folder.mkdir()
        if content is None:
            pq.write_table(table(row("T9")), folder / "a.parquet")
        else:
            (folder / "broken.parquet").write_bytes(content)
    user.run_all("--week", "auto").failed(3, "broken.parquet")
    assert user.chain.manifest("feature", None).window.as_of_week == "2024-05-17"  # type: ignore[union-attr]


# ---- options and settings


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--nonsense"), ("--nonsense", "See `eventlog")),
        (("run", "--sauce", "x"), ("--sauce", "See `eventlog")),
        (("frobnicate",), ("frobnicate", "See `eventlog --help`")),
        (("run", "surplus"), ("surplus", "See `eventlog")),
        (("run", "--week"), ("--week", "See `eventlog")),
        (("run", "--workers", "many"), ("--workers", "integer")),
        (("run", "--workers", "0"), ("--workers=0", "greater than or equal to 1")),
        (("run", "--source", ""), ("--source", "must name a folder or s3://bucket/prefix")),
        (("run", "--lake", "ftp://host/lake"), ("ftp://host/lake", "only a folder or s3://bucket/prefix")),
        (("run", "--lake", "s3://"), ("s3://", "names no bucket; write s3://bucket/prefix")),
        (("run", "--lake", "s3:///prefix"), ("s3://", "names no bucket; write s3://bucket/prefix")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_options_that_are_none(user: User, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    places = [] if {"--lake", "--source", "frobnicate"} & set(arguments) else user.places()
    if "--lake" in arguments:
        places = user.places()[:2]
    with untouched(user.chain.lake):
        user.run(*arguments[:1], *places, *arguments[1:]).failed(2, *words)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EVENTLOG_SAUCE", "x", "is not a setting of this program; see `eventlog config show`"),
        ("eventlog_weeks", "x", "is not a setting of this program; see `eventlog config show`"),
        ("EVENTLOG_WORKERS", "0", "greater than or equal to 1"),
        ("EVENTLOG_MEMORY_LIMIT", "1GB", "integer"),
        ("EVENTLOG_ON_BAD_FILE", "ignore", "'stop' or 'skip'"),
        ("EVENTLOG_GATE_DUPLICATE_RATIO", "7", "less than or equal to 1"),
        ("EVENTLOG_GATE_DUPLICATE_RATIO", "nan", "EVENTLOG_GATE_DUPLICATE_RATIO=nan"),
        ("EVENTLOG_WEEK", "2024-05-32", "must be a calendar date"),
        ("EVENTLOG_DAY_FIRST", "perhaps", "boolean"),
    ],
)
def test_variables_that_are_none_or_hold_no_value(
    user: User, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with untouched(user.chain.lake):
        user.run("run", *user.places()).failed(2, name, words)


def test_every_wrong_setting_is_named_at_once(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLOG_SAUCE", "x")
    monkeypatch.setenv("EVENTLOG_WORKERS", "0")
    user.run("run", *user.places(), "--week", "x").failed(2, "EVENTLOG_SAUCE", "EVENTLOG_WORKERS=0", "--week=x")


def test_what_kubernetes_injects_for_a_service_is_no_setting(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP", "PORT_80_TCP_ADDR"):
        monkeypatch.setenv(f"EVENTLOG_PUSHGATEWAY_{name}", "10.0.0.1")
    assert user.ingest().code == 0


# ---- the lake


def test_a_lake_that_is_a_file(user: User, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for lake in ("file", "file/below"):
        seen = user.run("run", *user.places()[:2], "--lake", str(tmp_path / lake))
        seen.failed(2, str(tmp_path / lake), "the lake cannot be made", "or name another")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_stage_without_the_one_before(user: User, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    lake = ("--lake", str(tmp_path / "new"))
    user.run("clean", *lake, "--week", WEEK).failed(5, WEEK, str(tmp_path / "new"), "run ingest for it first")
    user.run("feature", *lake).failed(5, str(tmp_path / "new"), "run clean first")
    user.run("clean", "--lake", str(tmp_path / "none")).failed(2, str(tmp_path / "none"), "check the path")
    assert listing(tmp_path / "new") == {}


def test_something_of_somebody_elses_in_the_lake(user: User) -> None:
    for zone, command in (("raw", "ingest"), ("clean", "clean")):
        stranger = user.chain.lake / zone / "event_log" / f"week={WEEK}" / "pn=I13" / "copy of I13.parquet"
        shutil.copy(next(stranger.parent.glob("*.parquet")), stranger)
        places = user.places() if command == "ingest" else user.places()[2:]
        with untouched(user.chain.lake):
            seen = user.run(command, *places, "--week", WEEK)
            seen.failed(3, stranger.name, "was not written by this pipeline", "move it out of the lake")
        stranger.unlink()


@pytest.mark.parametrize("name", ["manifest.json", "claim.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"generation": "many"}', b"\xff\xfe"])
def test_control_files_that_are_none(user: User, name: str, content: bytes) -> None:
    (user.chain.lake / "_control" / "ingest" / f"week={WEEK}" / name).write_bytes(content)
    with untouched(user.chain.lake):
        user.ingest().failed(3, f"_control/ingest/week={WEEK}/{name}", "move it away and run")


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that everybody may look into: pytest's own are closed to other users."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def as_nobody(place: Path, *arguments: str) -> Seen:
    """`eventlog` as a user who owns nothing; without root, as the user that runs the tests."""
    if os.geteuid() != 0:
        return in_a_process(*arguments)
    warm = Chain(place / "warm")
    warm.drop({"a.parquet": table(row("T1", cat="Error"))}, use_dictionary=False)
    (place / "warm" / "source").rename(place / "warm" / "drops")
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(place / "warm" / "drops"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("EVENTLOG_")},
    )
    shutil.rmtree(place / "warm")
    assert "---\n" in done.stdout, done.stderr
    return Seen(done.returncode, done.stdout.split("---\n")[1], done.stderr.split("---\n")[1])


CLOSED = {
    "the lake": (".",),
    "what ingest publishes": ("raw", "quarantine"),
    "the control folder": ("_control",),
    "the folder for temporary files": ("_control/tmp",),
}


@pytest.mark.parametrize("closed", CLOSED)
def test_a_lake_that_may_not_be_written(user: User, open_place: Path, closed: str) -> None:
    place = Chain(open_place / "place")
    shutil.copytree(user.chain.root, place.root)
    pq.write_table(table(row("T1"), row("T2")), place.root / "source" / WEEK / "good.parquet")
    for path in [place.root, *place.root.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    tops = [place.lake / name for name in CLOSED[closed]]
    folders = [folder for top in tops for folder in (top, *top.rglob("*")) if folder.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    before = listing(place.lake)
    seen = as_nobody(open_place, "ingest", *User(place, None).places(), "--week", WEEK)  # type: ignore[arg-type]
    for folder in folders:
        folder.chmod(0o777)
    seen.failed(2, str(place.lake), "cannot be written", "check", "another")
    assert listing(place.lake) == before


def test_a_lake_whose_folder_may_not_be_made(user: User, open_place: Path) -> None:
    shutil.copytree(user.chain.root / "source", open_place / "source")
    (open_place / "closed").mkdir()
    (open_place / "closed").chmod(0o555)
    lake = open_place / "closed" / "lake"
    seen = as_nobody(open_place, "run", "--source", str(open_place / "source"), "--lake", str(lake))
    (open_place / "closed").chmod(0o755)
    seen.failed(2, str(lake), "the lake cannot be made", "Permission denied", "name another")
    assert not lake.exists()


@pytest.mark.parametrize("closed", [f"source/{WEEK}/good.parquet", f"source/{WEEK}", "source"])
def test_a_source_that_may_not_be_read(user: User, open_place: Path, closed: str) -> None:
    place = Chain(open_place / "place")
    shutil.copytree(user.chain.root, place.root)
    os.utime(place.root / "source" / WEEK / "good.parquet")
    for path in [place.root, *place.root.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    (place.root / closed).chmod(0o000)
    before = listing(place.lake)
    seen = as_nobody(open_place, "ingest", *User(place, None).places(), "--week", WEEK)  # type: ignore[arg-type]
    (place.root / closed).chmod(0o777)
    seen.failed(2, str(place.root / "source"), "check its permissions")
    assert listing(place.lake) == before


# ---- the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "eventlog-tests", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk needs root and the right to mount: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def noise(rows: int, *, distinct: int) -> pa.Table:
    """Rows whose text does not compress, `distinct` texts of 1 KiB over and over."""
    texts = [ev(TimeStamp="2024-05-08T10:00:00Z", text=os.urandom(500).hex()) for _ in range(distinct)]
    return table(*(row(f"T{n:05}", ev=texts[n % distinct]) for n in range(rows)))


def test_a_disk_that_is_too_small_says_so_before_anything_is_read(user: User, small_disk: Path) -> None:
    shutil.copytree(user.chain.lake, small_disk / "lake")
    user.chain.drop({"good.parquet": noise(8_000, distinct=8_000)})
    with untouched(small_disk / "lake"):
        seen = user.run("ingest", *user.places()[:2], "--lake", str(small_disk / "lake"), "--week", WEEK)
        seen.failed(75, str(small_disk), "of scratch are needed", "are free", "make room")


def test_a_disk_that_is_full_on_the_way_leaves_the_lake_and_no_leftovers(user: User, small_disk: Path) -> None:
    """Few texts over and over are small in the source and large on scratch: no footer says how large."""
    shutil.copytree(user.chain.lake, small_disk / "lake")
    user.chain.drop({"good.parquet": noise(20_000, distinct=50)})
    lake = ("--lake", str(small_disk / "lake"))
    with untouched(small_disk / "lake"):
        seen = user.run("ingest", *user.places()[:2], *lake, "--week", WEEK)
        seen.failed(75, str(small_disk), "the disk is full", "make room and run it again")
    user.chain.drop({"good.parquet": noise(10, distinct=10)})
    assert user.run("run", *user.places()[:2], *lake).code == 0


@pytest.mark.parametrize("stage", ["ingest", "clean", "feature"])
def test_a_disk_without_a_byte_left(user: User, small_disk: Path, stage: str) -> None:
    shutil.copytree(user.chain.lake, small_disk / "lake")
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"\0" * 4096)
    lake = ("--lake", str(small_disk / "lake"))
    arguments = {
        "ingest": (*user.places()[:2], *lake, "--week", WEEK),
        "clean": (*lake, "--week", WEEK),
        "feature": lake,
    }
    with untouched(small_disk / "lake"):
        user.run(stage, *arguments[stage], "--force").failed(75, str(small_disk), "make room")


# ---- the container's door


def test_the_containers_door_says_the_same_and_kubernetes_hears_it(
    user: User, week_folder: Path, tmp_path: Path
) -> None:
    (week_folder / "bad.parquet").write_bytes(b"")
    (tmp_path / "termination-log").touch()
    with untouched(user.chain.lake):
        done = subprocess.run(
            [sys.executable, "-m", "services.ingest", *user.places(), "--week", WEEK],
            capture_output=True,
            text=True,
            check=False,
        )
        seen = Seen(done.returncode, done.stdout, done.stderr)
        seen.failed(3, "bad.parquet", "EVENTLOG_ON_BAD_FILE=skip")
    assert (tmp_path / "termination-log").read_text() == seen.sentence + "\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--nonsense",), ("--nonsense", "--help")),
        (("--week", "auto"), ("--week", "is for one week")),
        (("--week", "x"), ("--week=x", "calendar date")),
        (("--sour", "x"), ("--sour",)),
    ],
    ids=" ".join,
)
def test_the_containers_door_takes_no_option_that_it_does_not_know(
    user: User, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.ingest", *user.places(), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    Seen(done.returncode, done.stdout, done.stderr).failed(2, *words)
