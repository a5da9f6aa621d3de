"""The whole chain on a real object store: the same bytes as on a laptop, wherever source and lake are."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import orjson
import pyarrow.parquet as pq
import pytest

from services.clean.job import clean
from services.feature.job import feature
from services.ingest.job import ingest
from services.lake.publish import Outcome
from services.lake.store import open_store
from services.runtime.settings import Settings
from tests.containers import Bucket
from tests.drops import NEXT_WEEK, WEEK, Chain, row, table
from tests.integration.lakes import Golden, published
from tests.integration.weeks import write_weeks

pytestmark = pytest.mark.integration

Start = Callable[..., subprocess.Popen[str]]


def finished(process: subprocess.Popen[str], code: int = 0) -> dict[str, list[str]]:
    """The outcomes by stage of a run that ends with this exit code."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert "Traceback" not in err
    outcomes: dict[str, list[str]] = {}
    for result in orjson.loads(out)["results"]:
        outcomes.setdefault(result["stage"], []).append(result["outcome"])
    return outcomes


def test_every_byte_is_that_of_a_local_run_and_a_second_run_puts_nothing(
    golden: Golden, bucket: Bucket, drops: str, start: Start
) -> None:
    places = ("run", "--json", "--source", drops, "--lake", f"{bucket.url}/lake")
    outcomes = finished(start(*places))
    assert outcomes == {"ingest": ["published"] * 2, "clean": ["published"] * 2, "feature": ["published"]}
    assert published(bucket) == golden.hashes
    before = bucket.states()
    outcomes = finished(start(*places))
    assert outcomes == {"ingest": ["unchanged"] * 2, "clean": ["unchanged"] * 2, "feature": ["unchanged"]}
    assert bucket.states() == before


def test_reports_lie_in_the_bucket_as_pages_that_a_browser_shows(bucket: Bucket, drops: str, start: Start) -> None:
    finished(start("run", "--json", "--source", drops, "--lake", f"{bucket.url}/lake"))
    names = [
        f"lake/_control/reports/week={week}/report.{kind}" for week in (WEEK, NEXT_WEEK) for kind in ("html", "json")
    ]
    assert bucket.names("lake/_control/reports/") == names
    for name in names:
        found = bucket.client.get_object(Bucket=bucket.name, Key=name)
        text = found["Body"].read()
        if name.endswith("html"):
            assert found["ContentType"].startswith("text/html")
            assert text.startswith(b"<!DOCTYPE html>")
        else:
            told = orjson.loads(text)
            manifest = orjson.loads(bucket.read(f"lake/_control/clean/week={told['week']}/manifest.json"))
            assert told["counts"] == manifest["quality"]["counts"]


def test_a_second_run_sends_no_put(
    golden: Golden, bucket: Bucket, drops: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(source=drops, lake=f"{bucket.url}/lake", scratch=tmp_path)
    requests: list[str] = []
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session())
    boto3.DEFAULT_SESSION.events.register("before-call.s3", lambda model, **_: requests.append(model.name))
    assert {outcome.kind for outcome in _run(settings)} == {"published"}
    assert requests.count("PutObject") >= len(golden.hashes)
    requests.clear()
    assert {outcome.kind for outcome in _run(settings)} == {"unchanged"}
    assert set(requests) <= {"ListObjectsV2", "GetObject", "HeadObject"}


def _run(settings: Settings) -> list[Outcome]:
    source, lake = open_store(settings.source), open_store(settings.lake)
    outcomes = []
    for week in (WEEK, NEXT_WEEK):
        outcomes += [ingest(settings, source, lake, week), clean(settings, lake, week)]
    return [*outcomes, feature(settings, lake)]


@pytest.mark.parametrize("remote", ["source", "lake"])
def test_source_and_lake_may_lie_apart(
    golden: Golden, bucket: Bucket, drops: str, start: Start, tmp_path: Path, remote: str
) -> None:
    source = drops if remote == "source" else str(golden.chain.root / "source")
    lake = str(tmp_path / "lake") if remote == "source" else f"{bucket.url}/lake"
    finished(start("run", "--json", "--source", source, "--lake", lake))
    found = Chain(tmp_path).published() if remote == "source" else published(bucket)
    assert found == golden.hashes


def test_a_lake_at_the_root_of_a_bucket(golden: Golden, bucket: Bucket, start: Start) -> None:
    finished(start("run", "--json", "--source", str(golden.chain.root / "source"), "--lake", bucket.url))
    assert published(bucket, "") == golden.hashes
    assert {key.split("/")[0] for key in bucket.names()} == {"raw", "clean", "feature", "quarantine", "_control"}


def test_a_drop_that_changed_is_published_again_and_what_vanished_has_no_rows(
    golden: Golden, bucket: Bucket, drops: str, start: Start, tmp_path: Path
) -> None:
    places = ("run", "--json", "--source", drops, "--lake", f"{bucket.url}/lake")
    finished(start(*places))
    fewer = tmp_path / "fewer"
    write_weeks(fewer, (WEEK,), ["I13", "new"])
    bucket.upload(fewer, "drops")
    outcomes = finished(start(*places))
    assert outcomes == {
        "ingest": ["published", "unchanged"],
        "clean": ["published", "unchanged"],
        "feature": ["published"],
    }
    found = published(bucket)
    assert set(golden.hashes) < set(found)
    changed = {key for key, digest in golden.hashes.items() if found[key] != digest}
    assert changed == {key for key in golden.hashes if f"week={WEEK}/" in key or key.startswith("feature/")}
    for zone in ("raw", "clean"):
        rows = _rows_by_pn(bucket, f"lake/{zone}/event_log/week={WEEK}/", tmp_path / zone)
        assert {pn for pn, count in rows.items() if count} == {"I13", "new", "UNKNOWN"}
        assert {pn for pn, count in rows.items() if not count} == {
            "007",
            "a%2Fb",
            "two%20words",
            "Gr%C3%B6%C3%9Fe",
            "100%25",
        }
    local = Chain(tmp_path / "local")
    shutil.copytree(golden.chain.root / "source", local.root / "source")
    local.run(WEEK, NEXT_WEEK)
    write_weeks(local.root / "source", (WEEK,), ["I13", "new"])
    local.run(WEEK, NEXT_WEEK)
    assert found == local.published()


def _rows_by_pn(bucket: Bucket, prefix: str, folder: Path) -> dict[str, int]:
    folder.mkdir()
    rows = {}
    for key in bucket.names(prefix):
        (folder / "file").write_bytes(bucket.read(key))
        rows[key.split("/pn=")[1].split("/")[0]] = pq.read_metadata(folder / "file").num_rows
    return rows


def test_auto_takes_the_weeks_that_are_new(bucket: Bucket, drops: str, start: Start, tmp_path: Path) -> None:
    places = ("run", "--json", "--week", "auto", "--source", drops, "--lake", f"{bucket.url}/lake")
    finished(start(*places))
    write_weeks(tmp_path / "later", ("2024-05-24",))
    bucket.upload(tmp_path / "later", "drops")
    outcomes = finished(start(*places))
    assert outcomes == {
        "ingest": ["unchanged", "unchanged", "published"],
        "clean": ["unchanged", "unchanged", "published"],
        "feature": ["published"],
    }


def test_a_week_that_is_bad_does_not_stop_the_others(golden: Golden, bucket: Bucket, drops: str, start: Start) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="drops/2024-05-03/bad.parquet", Body=b"PAR1 rubbish")
    outcomes = finished(start("run", "--json", "--source", drops, "--lake", f"{bucket.url}/lake"), code=3)
    assert outcomes == {
        "ingest": ["failed", "published", "published"],
        "clean": ["skipped", "published", "published"],
        "feature": ["published"],
    }
    assert published(bucket) == golden.hashes


@pytest.mark.parametrize("stage", ["ingest", "clean"])
@pytest.mark.parametrize("remote", [True, False], ids=["s3", "local"])
def test_a_run_that_is_killed_half_way_is_finished_by_the_next(
    bucket: Bucket, start: Start, tmp_path: Path, stage: str, remote: bool
) -> None:
    """Killed when the first of its 80 files is there: from its start on it stands still whenever we look."""
    source, lake = tmp_path / "source", f"{bucket.url}/lake" if remote else str(tmp_path / "lake")
    pns: list[str | None] = [f"P{n:03}" for n in range(80)]
    write_weeks(source, (WEEK,), pns)
    prefix = f"{'raw' if stage == 'ingest' else 'clean'}/event_log/week={WEEK}/"
    manifest = f"_control/{stage}/week={WEEK}/manifest.json"
    if stage == "clean":
        finished(start("ingest", "--json", "--source", str(source), "--lake", lake, "--week", WEEK))
    arguments = ("--json", "--lake", lake, "--week", WEEK, *(("--source", str(source)) if stage == "ingest" else ()))

    def present(beginning: str) -> list[str]:
        if remote:
            return bucket.names(f"lake/{beginning}")
        folder = tmp_path / "lake" / beginning
        return [str(path) for path in folder.rglob("*.parquet")] if folder.is_dir() else [""] * folder.is_file()

    victim = start(stage, *arguments)
    while not present(prefix):
        victim.send_signal(signal.SIGCONT)
        time.sleep(0.01)
        victim.send_signal(signal.SIGSTOP)
        assert victim.poll() is None, victim.communicate()[1]
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert not present(manifest), "it was too fast to be killed half-way"
    assert 0 < len(present(prefix)) < 80
    assert finished(start("run", "--json", "--source", str(source), "--lake", lake)) == {
        "ingest": ["published" if stage == "ingest" else "unchanged"],
        "clean": ["published"],
        "feature": ["published"],
    }
    undisturbed = Chain(tmp_path / "undisturbed")
    shutil.copytree(source, undisturbed.root / "source")
    undisturbed.run()
    assert (published(bucket) if remote else Chain(tmp_path).published()) == undisturbed.published()
    if not remote:
        assert not list((tmp_path / "lake" / "_control" / "tmp").iterdir())


@pytest.mark.parametrize("remote", [True, False], ids=["s3", "local"])
def test_two_runs_at_once_leave_what_one_would(
    golden: Golden, bucket: Bucket, start: Start, tmp_path: Path, remote: bool
) -> None:
    lake = f"{bucket.url}/lake" if remote else str(tmp_path / "lake")
    arguments = ("run", "--json", "--source", str(golden.chain.root / "source"), "--lake", lake)
    twins = [start(*arguments), start(*arguments)]
    for twin in twins:
        finished(twin)
    assert (published(bucket) if remote else Chain(tmp_path).published()) == golden.hashes


def test_an_interrupted_run_says_so_and_the_next_one_finishes(
    golden: Golden, bucket: Bucket, drops: str, start: Start
) -> None:
    victim = start("run", "--source", drops, "--lake", f"{bucket.url}/lake")
    while not bucket.names("lake/_control/"):
        assert victim.poll() is None
        time.sleep(0.01)
    victim.send_signal(signal.SIGTERM)
    _, err = victim.communicate(timeout=60)
    assert victim.returncode == 128 + signal.SIGTERM, err
    assert "a rerun finishes the job" in err
    assert "Traceback" not in err
    finished(start("run", "--json", "--source", drops, "--lake", f"{bucket.url}/lake"))
    assert published(bucket) == golden.hashes


def test_the_other_commands_read_a_lake_in_a_bucket(golden: Golden, bucket: Bucket, drops: str, start: Start) -> None:
    places = ("--source", drops, "--lake", f"{bucket.url}/lake")
    finished(start("run", "--json", *places))
    before = bucket.states()
    for command in (
        ("plan", "--json", *places),
        ("status", "--json", *places[2:]),
        ("report", "--json", *places[2:], "--week", WEEK),
        ("explain", "--json", *places[2:], "--service-tag", "T01"),
    ):
        process = start(*command)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, f"{command}: {err}"
        assert orjson.loads(out)
    assert bucket.states() == before


def test_no_secret_is_ever_said(golden: Golden, bucket: Bucket, drops: str, start: Start) -> None:
    process = start("run", "-v", "--source", drops, "--lake", f"{bucket.url}/lake")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in out + err
    assert not [tag for tag in ("T01", "T42") if f'"{tag}"' in out + err]
    assert golden.hashes == published(bucket)


def test_a_late_file_is_taken_with_the_next_run(bucket: Bucket, drops: str, start: Start, tmp_path: Path) -> None:
    places = ("run", "--json", "--week", WEEK, "--source", drops, "--lake", f"{bucket.url}/lake")
    finished(start(*places))
    pq.write_table(table(row("T-late", pn="late")), tmp_path / "late.parquet")
    bucket.client.put_object(
        Bucket=bucket.name, Key=f"drops/{WEEK}/late.parquet", Body=(tmp_path / "late.parquet").read_bytes()
    )
    assert finished(start(*places))["ingest"] == ["published"]
    assert f"lake/raw/event_log/week={WEEK}/pn=late/{WEEK}_late.parquet" in bucket.names()
