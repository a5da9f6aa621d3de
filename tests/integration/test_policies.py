"""The IAM policies of the chart, tried on MinIO as they are: enough for each stage, and nothing more."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from string import Template
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from services.clean.job import clean
from services.control import doctor, plan, status
from services.control.report.publish import publish_due
from services.feature.job import feature
from services.ingest.job import ingest
from services.lake.store import open_store
from services.runtime.settings import Settings
from tests.containers import Bucket
from tests.drops import NEXT_WEEK, WEEK
from tests.integration.lakes import Golden, published

POLICIES = Path(__file__).parents[2] / "helm" / "policies"
ROLES = ("ingest", "clean", "feature", "control")

AREAS = (
    "drops/2024-05-10/part-0.parquet",
    "lake/raw/event_log/week=2024-05-10/pn=I13/2024-05-10_I13.parquet",
    "lake/quarantine/event_log/week=2024-05-10/ingest.parquet",
    "lake/clean/event_log/week=2024-05-10/pn=I13/2024-05-10_I13.parquet",
    "lake/feature/event_log/error_events.parquet",
    "lake/_control/ingest/week=2024-05-10/manifest.json",
    "lake/_control/clean/week=2024-05-10/manifest.json",
    "lake/_control/feature/manifest.json",
    "lake/_control/accepted/week=2024-05-10.json",
    "lake/_control/reports/week=2024-05-10/report.html",
    "lake/_control/tmp/doctor-probe",
    "lake2/raw/event_log/week=2024-05-10/pn=I13/2024-05-10_I13.parquet",
    "somewhere-else",
)
# r: may read, w: may read and write, -: neither; in the order of AREAS.
#              drops raw  quar clean feat c/in c/cl c/fe c/ac rep  tmp  lake2 else
MATRIX = {
    "ingest": "  r    w    w    -    -    w    r    r    r    r    w    -    -",
    "clean": "   -    r    -    w    -    r    w    r    r    r    r    -    -",
    "feature": " -    -    -    r    w    r    r    w    r    r    r    -    -",
    "control": " -    -    -    -    r    r    r    r    r    w    w    -    -",
}


def policy(role: str) -> str:
    """The policy of a role, filled in by the rule of its README."""
    text = Template((POLICIES / f"{role}.json").read_text())
    return text.substitute(
        lake="eventlog/lake", lake_bucket="eventlog", source="eventlog/drops", source_bucket="eventlog"
    )


def assume(bucket: Bucket, role: str) -> dict[str, str]:
    """Credentials that are cut down to the policy, as the standard variables."""
    variables = bucket.minio.environment()
    sts = boto3.client(
        "sts",
        endpoint_url=bucket.minio.endpoint,
        region_name="us-east-1",
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    try:
        answer = sts.assume_role(RoleArn="arn:xxx:xxx:xxx:xxxx", RoleSessionName=role, Policy=policy(role))
    finally:
        sts.close()
    given = answer["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


@pytest.fixture
def become(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Any:
    """This process goes on with the rights of a role."""

    def become(role: str) -> None:
        for name, value in assume(bucket, role).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    return become


@pytest.mark.integration
@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_may_read_write_and_delete(bucket: Bucket, become: Any, role: str) -> None:
    for key in AREAS:
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"before")
    become(role)
    with closing(boto3.client("s3", config=Config(s3={"addressing_style": "path"}))) as client:
        seen = ["".join(_answers(client, bucket.name, key)) for key in AREAS]
    expected = [{"r": "read", "w": "read write", "-": ""}[may] for may in MATRIX[role].split()]
    assert dict(zip(AREAS, seen, strict=True)) == dict(zip(AREAS, expected, strict=True))
    assert bucket.names() == sorted(AREAS)


def _answers(client: Any, bucket: str, key: str) -> str:
    asked = {"read": client.get_object, "write": client.put_object, "delete": client.delete_object}
    may = []
    for name, ask in asked.items():
        try:
            answer = ask(Bucket=bucket, Key=key)
            if name == "read":
                answer["Body"].close()
        except ClientError as refused:
            if refused.response["Error"]["Code"] != "AccessDenied":
                raise
        else:
            may.append(name)
    return " ".join(may)


@pytest.mark.integration
def test_each_stage_does_its_work_with_its_own_policy_and_control_its(
    golden: Golden, bucket: Bucket, drops: str, become: Any, tmp_path: Path
) -> None:
    for force in (False, True):  # anew, and over what is there
        settings = Settings(source=drops, lake=f"{bucket.url}/lake", scratch=tmp_path, force=force)
        become("control")
        assert plan.plan(settings, open_store(drops), open_store(settings.lake)).run == [WEEK, NEXT_WEEK]
        for week in (WEEK, NEXT_WEEK):
            become("ingest")
            assert ingest(settings, open_store(drops), open_store(settings.lake), week).kind == "published"
            become("clean")
            assert clean(settings, open_store(settings.lake), week).kind == "published"
        become("feature")
        assert feature(settings, open_store(settings.lake)).kind == "published"
        if not force:
            assert published(bucket) == golden.hashes
    become("control")
    lake = open_store(settings.lake)
    assert [week.ingest.generation for week in status.status(settings, lake).weeks] == [2, 2]
    assert publish_due(settings, lake) == [WEEK, NEXT_WEEK]
    for role in ("control", "ingest"):  # `helm test` asks as ingest, which makes the sample
        become(role)
        assert [check for check in doctor.doctor(settings) if not check.good] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_key_that_is_not_there_is_told_from_one_that_is_forbidden(role: str) -> None:
    """AWS says 403 instead of 404 without ListBucket on the whole bucket; MinIO does not, so the file is asked."""
    statements = json.loads(policy(role))["Statement"]
    [listing] = [s for s in statements if "s3:ListBucket" in s["Action"]]
    assert listing["Effect"] == "Allow"
    assert "arn:aws:s3:::eventlog" in listing["Resource"]
    assert "Condition" not in listing


@pytest.mark.parametrize("role", ROLES)
def test_only_named_actions_and_reading_goes_with_writing(role: str) -> None:
    statements = json.loads(policy(role))["Statement"]
    actions = {
        (s["Effect"], action)
        for s in statements
        for action in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])
    }
    assert actions == {
        ("Allow", "s3:ListBucket"),
        ("Allow", "s3:GetObject"),
        ("Allow", "s3:PutObject"),
        ("Deny", "s3:DeleteObject"),
        ("Deny", "s3:DeleteObjectVersion"),
    }
    assert all("s3:GetObject" in s["Action"] for s in statements if "s3:PutObject" in s["Action"])
