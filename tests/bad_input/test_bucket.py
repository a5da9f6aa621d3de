"""A bucket that is not there, refuses, or does not answer: against a real store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bad_input.user import User, untouched
from tests.containers import Bucket
from tests.drops import WEEK, Chain

pytestmark = pytest.mark.integration


@pytest.fixture
def in_bucket(user: User, bucket: Bucket) -> list[str]:
    """The published lake in a bucket, and the options that name it."""
    bucket.upload(user.chain.lake, "lake")
    return ["--source", str(user.chain.root / "source"), "--lake", f"{bucket.url}/lake", "--week", WEEK]


def run_on(user: User, bucket: Bucket, places: list[str]) -> tuple[str, str]:
    """What was said, and the exit code as text; the bucket has to be as it was."""
    before = bucket.states()
    seen = user.run("ingest", *places)
    assert bucket.states() == before
    return seen.sentence, str(seen.code)


def test_a_bucket_that_is_not_there(user: User, bucket: Bucket) -> None:
    for source, lake in (
        (str(user.chain.root / "source"), "s3://nowhere/lake"),
        ("s3://nowhere/drops", str(user.chain.lake)),
    ):
        with untouched(user.chain.lake):
            seen = user.run("run", "--source", source, "--lake", lake, "--week", WEEK)
            seen.failed(2, "s3://nowhere/", "there is no bucket nowhere", "make it or check the name")
    assert bucket.names() == []


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_ACCESS_KEY_ID", "somebody-else"), ("AWS_SECRET_ACCESS_KEY", "guessed-wrong")]
)
def test_credentials_that_are_refused(
    user: User, bucket: Bucket, in_bucket: list[str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    before = bucket.states()
    seen = user.run("ingest", *in_bucket)
    seen.failed(2, f"{bucket.url}/lake", "was refused", "check the credentials and their policy")
    assert value not in seen.err
    assert bucket.states() == before


def test_no_credentials_at_all(
    user: User, bucket: Bucket, in_bucket: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    before = bucket.states()
    user.run("ingest", *in_bucket).failed(2, bucket.url, "no credentials were found", "set AWS_ACCESS_KEY_ID")
    assert bucket.states() == before


def test_a_profile_that_is_not_there(
    user: User, bucket: Bucket, in_bucket: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    user.run("ingest", *in_bucket).failed(2, f"{bucket.url}/lake", "nobody", "AWS_")


def test_an_endpoint_that_is_no_address(
    user: User, bucket: Bucket, in_bucket: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "minio:9000")
    user.run("ingest", *in_bucket).failed(2, f"{bucket.url}/lake", "minio:9000", "AWS_")


@pytest.mark.slow
def test_an_endpoint_that_does_not_answer(
    user: User, bucket: Bucket, in_bucket: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    user.run("ingest", *in_bucket).failed(
        75, f"{bucket.url}/lake", "check the network and the endpoint", "run it again"
    )


@pytest.mark.parametrize("name", ["No_Such_Bucket!", "a", ".."])
def test_a_name_that_no_bucket_has(user: User, bucket: Bucket, name: str) -> None:
    with untouched(user.chain.lake):
        seen = user.run("run", *user.places()[:2], "--lake", f"s3://{name}/lake", "--week", WEEK)
        seen.failed(2, f"s3://{name}/lake", "check")
    assert bucket.names() == []


def test_a_prefix_without_drops(user: User, bucket: Bucket) -> None:
    seen = user.run("run", "--source", f"{bucket.url}/drops", "--lake", str(user.chain.lake))
    seen.failed(5, f"{bucket.url}/drops", "no folder is named by a date", "check --source")
    bucket.client.put_object(Bucket=bucket.name, Key=f"drops/{WEEK}/_SUCCESS", Body=b"")
    with untouched(user.chain.lake):
        seen = user.run("ingest", "--source", f"{bucket.url}/drops", "--lake", str(user.chain.lake), "--week", WEEK)
        seen.failed(5, f"{bucket.url}/drops/{WEEK}", "no file ends in .parquet")


def test_a_bad_file_in_a_bucket_leaves_the_lake_there_as_it_was(user: User, bucket: Bucket, week_folder: Path) -> None:
    (week_folder / "bad.parquet").write_bytes(b"PAR1 rubbish")
    lake = Chain(user.chain.root / "again")
    shutil.copytree(user.chain.root / "source", lake.root / "source")
    bucket.upload(lake.root / "source", "drops")
    places = ["--source", f"{bucket.url}/drops", "--lake", f"{bucket.url}/lake", "--week", WEEK]
    user.run("ingest", *places).failed(3, "bad.parquet", "EVENTLOG_ON_BAD_FILE=skip")
    assert [key for key in bucket.names("lake/") if not key.endswith("claim.json")] == []
    assert user.run("run", *places, "--json").code == 3


def test_a_scratch_folder_that_cannot_be_made(
    user: User, in_bucket: list[str], bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EVENTLOG_SCRATCH", str(tmp_path / "file"))
    before = bucket.states()
    user.run("ingest", *in_bucket).failed(2, str(tmp_path / "file"), "cannot be written", "choose another place")
    assert bucket.states() == before
