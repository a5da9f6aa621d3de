"""Each image as the workflow starts it: an unknown user, a read-only root, one scratch mount, no capability."""

from __future__ import annotations

import json
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from services.contracts import layout
from tests.containers import Bucket
from tests.drops import NEXT_WEEK, WEEK, Chain
from tests.images.containers import STAGES, image, run, run_plain, start
from tests.integration.lakes import Golden, published

pytestmark = pytest.mark.images

SHARED = {"contracts", "control", "judgement", "lake", "runtime"}
OWN = {"ingest": {"ingest", "sample"}, "clean": {"clean"}, "feature": {"feature"}}


def _entry(module: str, *arguments: str) -> tuple[str, ...]:
    """What stands in the workflow as a step's command."""
    return ("tini", "-s", "--", "python3", "-m", f"services.{module}", *arguments)


def test_the_stages_give_the_bytes_of_a_local_run(golden: Golden, drops: Bucket) -> None:
    for stage, week in [*((s, w) for w in (WEEK, NEXT_WEEK) for s in STAGES[:2]), ("feature", WEEK)]:
        ended = run(stage, bucket=drops, EVENTLOG_WEEK=week, EVENTLOG_RUN_ID="workflow-1", EVENTLOG_ATTEMPT="1")
        assert ended.code == 0, ended.err
        assert json.loads(ended.out)["outcome"] == "published"
        lines = [json.loads(line) for line in ended.err.splitlines()]
        assert {line["run_id"] for line in lines} == {"workflow-1"}
        assert (lines[0]["version"], lines[0]["attempt"]) == (version("eventlog"), 1)
        run_of = _manifest(drops, stage, week)["run"]
        assert (run_of["program"], run_of["attempt"]) == (version("eventlog"), 1)
    assert published(drops) == golden.hashes
    again = run("clean", *_entry("clean"), bucket=drops, EVENTLOG_WEEK=WEEK)
    assert (again.code, json.loads(again.out)["outcome"]) == (0, "unchanged")


def test_plan_and_verdict_run_in_the_image_of_ingest(drops: Bucket, tmp_path: Path) -> None:
    scratch = _folder(tmp_path / "scratch")
    parameters = ("--week", "auto", "--force", "false", "--outputs", "/scratch/outputs")
    ended = run(
        "ingest", *_entry("control", "plan", *parameters), bucket=drops, options=[f"--volume={scratch}:/scratch"]
    )
    assert ended.code == 0, ended.err
    assert json.loads((scratch / "outputs" / "weeks").read_text()) == [
        {"week": WEEK, "job": "eventlog-catchup"},
        {"week": NEXT_WEEK, "job": "eventlog"},
    ]
    ended = run(
        "ingest",
        *_entry("control", "verdict"),
        bucket=drops,
        EVENTLOG_WORKFLOW_STATUS="Failed",
        EVENTLOG_WORKFLOW_FAILURES=json.dumps(json.dumps([{"displayName": "clean", "message": "Error (exit code 4)"}])),
    )
    assert ended.code == 0, ended.err
    said = json.loads(ended.err.splitlines()[-1])
    assert (said["event"], said["failures"]) == ("verdict", [{"step": "clean", "message": "Error (exit code 4)"}])


@pytest.mark.parametrize("stage", STAGES)
def test_doctor_runs_in_every_image(bucket: Bucket, stage: str) -> None:
    ended = run(stage, *_entry("control", "doctor", "--json"), bucket=bucket)
    assert ended.code == 0, ended.err
    assert all(check["good"] for check in json.loads(ended.out))


def test_bucket_makes_what_is_missing_and_is_content_with_what_is_there(bucket: Bucket) -> None:
    lake = {"EVENTLOG_LAKE": "s3://fresh-lake/prefix"}
    made = []
    try:
        for _ in range(2):
            ended = run("ingest", *_entry("control", "bucket"), bucket=bucket, **lake)
            assert ended.code == 0, ended.err
            made.append({line["name"]: line["made"] for line in map(json.loads, ended.err.splitlines())})
        bucket.client.head_bucket(Bucket="fresh-lake")
    finally:
        for left in {entry["Name"] for entry in bucket.client.list_buckets()["Buckets"]} & {"fresh-lake"}:
            bucket.client.delete_bucket(Bucket=left)
    assert made == [{"eventlog": False, "fresh-lake": True}, {"eventlog": False, "fresh-lake": False}]


def test_the_sample_goes_from_the_image_of_ingest_into_the_bucket(bucket: Bucket) -> None:
    given = ("--rows", "500", "--weeks", WEEK, "--devices", "20", "--files", "2")
    ended = run("ingest", *_entry("sample", *given), bucket=bucket)
    assert ended.code == 0, ended.err
    assert ended.out.split() == [f"{bucket.url}/{key}" for key in bucket.names("drops/")]
    assert len(bucket.names(f"drops/{WEEK}/")) == 2
    assert run("ingest", bucket=bucket, EVENTLOG_WEEK=WEEK).code == 0


def test_a_failure_leaves_its_sentence_for_kubernetes_and_its_outputs_for_argo(bucket: Bucket, tmp_path: Path) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key=f"drops/{WEEK}/a.parquet", Body=b"PAR1")
    scratch = _folder(tmp_path / "scratch")
    words = tmp_path / "termination-log"
    words.touch()
    words.chmod(0o666)  # as the kubelet makes it
    mounts = [f"--volume={scratch}:/scratch", f"--volume={words}:/dev/termination-log"]
    ended = run("ingest", bucket=bucket, options=mounts, EVENTLOG_WEEK=WEEK, EVENTLOG_OUTPUTS="/scratch/outputs")
    assert ended.code == 3
    assert words.read_text().startswith("bad input: a.parquet")
    assert {path.name: path.read_text() for path in (scratch / "outputs").iterdir()} == {
        "rows-in": "0",
        "rows-out": "0",
        "duplicates": "0",
        "quarantined": "0",
    }


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Golden:
    """A week that takes a container some seconds, and what a local run makes of it."""
    from services.sample.drop import SampleSpec, write_drop

    chain = Chain(tmp_path_factory.mktemp("large"))
    write_drop(SampleSpec(200_000, (WEEK,), 500, 1, 4), chain.root / "source", None, 2, lambda *_: None)
    chain.run(WEEK)
    return Golden(chain, chain.published())


def test_sigterm_ends_a_stage_with_143_and_a_rerun_finishes(large: Golden, bucket: Bucket) -> None:
    bucket.upload(large.chain.root / "source", "drops")
    for stage in STAGES:
        name = f"eventlog-tests-stopped-{stage}"
        how = ("--detach", "--name", name, "--cpus", "0.5")
        subprocess.run(start(stage, bucket=bucket, options=how, EVENTLOG_WEEK=WEEK), check=True, capture_output=True)
        try:
            _wait_for_line(name, '"claimed"')
            began = time.monotonic()
            subprocess.run(["docker", "stop", "--time", "60", name], check=True, capture_output=True)
            took = time.monotonic() - began
            code = subprocess.run(["docker", "wait", name], check=True, capture_output=True, text=True).stdout.strip()
            log = subprocess.run(["docker", "logs", name], check=True, capture_output=True, text=True).stderr
        finally:
            subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)
        assert code == "143", log
        assert took < 30
        assert "a rerun finishes the job" in log.splitlines()[-1]
        _assert_whole(bucket)
        ended = run(stage, bucket=bucket, EVENTLOG_WEEK=WEEK)
        assert (ended.code, json.loads(ended.out)["outcome"]) == (0, "published"), ended.err
    assert published(bucket) == large.hashes


@pytest.mark.parametrize("stage", STAGES)
def test_an_image_holds_its_own_stage_and_no_other(stage: str) -> None:
    look = "import pkgutil, services; print(*sorted(m.name for m in pkgutil.iter_modules(services.__path__)))"
    assert set(_python(stage, look).split()) == SHARED | OWN[stage]
    look = "from importlib.util import find_spec; print(*(n for n in {} if find_spec(n)))"
    absent = ("pandas", "pip", "pytest", "tests", "services.cli", "mypy", "setuptools", "numpy.tests")
    assert _python(stage, look.format(absent)) == ""
    kernel = _python(stage, look.format(("eventlog_kernel",)))
    assert kernel == ("" if stage == "feature" else "eventlog_kernel")


def test_ingest_and_clean_have_the_native_kernel(drops: Bucket) -> None:
    for stage in ("ingest", "clean"):
        ended = run(stage, bucket=drops, EVENTLOG_WEEK=WEEK, EVENTLOG_KERNEL="native")
        assert ended.code == 0, ended.err


@pytest.mark.parametrize("stage", STAGES)
def test_labels_and_user(stage: str) -> None:
    look = ["docker", "image", "inspect", "--format", "{{json .Config}}", image(stage)]
    config = json.loads(subprocess.run(look, check=True, capture_output=True, text=True).stdout)
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert labels["title"] == f"eventlog-{stage}"
    assert (
        labels["version"]
        == version("eventlog")
        == _python(stage, "from services.runtime.stage import program_version as v; print(v())")
    )
    assert labels["revision"]
    assert labels["description"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["tini", "-s", "--", "python3", "-m", f"services.{stage}"]


@pytest.mark.parametrize(("stage", "module"), [(s, m) for s in STAGES for m in (s, "control")] + [("ingest", "sample")])
def test_help(stage: str, module: str) -> None:
    ended = run_plain(stage, "-s", "--", "python3", "-m", f"services.{module}", "--help", options=["--entrypoint=tini"])
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"usage: python -m services.{module}")
    assert run_plain(stage, "--help").out.startswith(f"usage: python -m services.{stage}")


def _python(stage: str, code: str) -> str:
    ended = run_plain(stage, "-c", code, options=["--entrypoint=python3"])
    assert ended.code == 0, ended.err
    return ended.out.strip()


def _folder(path: Path) -> Path:
    path.mkdir()
    path.chmod(0o777)
    return path


def _manifest(bucket: Bucket, stage: str, week: str) -> dict[str, dict[str, object]]:
    return json.loads(bucket.read(f"lake/{layout.manifest_key(stage, None if stage == 'feature' else week)}"))


def _wait_for_line(container: str, part: str) -> None:
    following = subprocess.Popen(
        ["docker", "logs", "--follow", container], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    with following:
        seen = []
        for line in following.stderr:
            seen.append(line)
            if part in line:
                following.terminate()
                return
    raise AssertionError(f"{container} ended without {part}: {''.join(seen)}")


def _assert_whole(bucket: Bucket) -> None:
    """Every object is the one whose hash its writer announced."""
    for key, digest in published(bucket).items():
        head = bucket.client.head_object(Bucket=bucket.name, Key=f"lake/{key}")
        assert head["Metadata"]["sha256"] == digest, key
