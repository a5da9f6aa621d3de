"""Claims and manifests that are broken, gone or old; objects that nobody wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.contracts.layout import STAGES
from services.lake.s3 import S3Store
from services.runtime import outcome
from services.runtime.settings import Settings
from tests.faults.checker import Watch, check_settled, puts_into_lake
from tests.faults.drops import WEEK
from tests.faults.runs import LAKE, SOURCE, deliver, outcome_of, run_all, run_stage
from tests.faults.s3 import Bucket

CLAIM = f"lake/_control/ingest/week={WEEK}/claim.json"
MANIFEST = f"lake/_control/ingest/week={WEEK}/manifest.json"


@pytest.fixture
def published(bucket: Bucket, scratch: Path) -> Bucket:
    """A bucket whose lake holds the first drop."""
    deliver(bucket, WEEK, "first")
    assert all(ending.exit_code == 0 for ending in run_all(bucket, scratch))
    return bucket


@pytest.mark.parametrize("key", [CLAIM, MANIFEST])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"generation": "x"}', b"\xff\xfe", b"null"])
def test_a_broken_control_file_is_named_and_the_advice_helps(
    published: Bucket, scratch: Path, key: str, content: bytes
) -> None:
    published.write(key, content)
    published.requests = []
    ending = run_stage(published, "ingest", scratch)
    assert ending.exit_code == 3
    assert key.removeprefix("lake/") in ending.said
    assert "move it away" in ending.said
    assert puts_into_lake(published) == 0
    del published.objects[key]
    assert all(ending.exit_code == 0 for ending in run_all(published, scratch))
    check_settled(published, {WEEK: "first"})


def test_a_claim_that_is_older_than_the_manifest_takes_no_generation_twice(published: Bucket, scratch: Path) -> None:
    before = published.objects[CLAIM]
    deliver(published, WEEK, "changed")
    assert all(ending.exit_code == 0 for ending in run_all(published, scratch))
    published.write(CLAIM, before.content, before.metadata)
    watch = Watch(published)
    deliver(published, WEEK, "late")
    assert all(ending.exit_code == 0 for ending in run_all(published, scratch))
    check_settled(published, {WEEK: "late"})
    assert not watch.broken


@pytest.mark.parametrize("zone", ["raw", "clean", "quarantine"])
def test_a_stranger_in_a_zone_is_named_and_stays(published: Bucket, scratch: Path, zone: str) -> None:
    stranger = f"{zone}/event_log/week={WEEK}/pn=I13/part-0.parquet"
    published.write(f"lake/{stranger}", b"PAR1")
    published.requests = []
    ending = run_stage(published, "clean" if zone == "clean" else "ingest", scratch)
    assert ending.exit_code == 3
    assert stranger in ending.said
    assert published.objects[f"lake/{stranger}"].content == b"PAR1"
    assert puts_into_lake(published) == 0


@pytest.mark.parametrize("stage", STAGES)
def test_an_object_that_is_gone_or_changed_is_published_again(published: Bucket, scratch: Path, stage: str) -> None:
    zone = {"ingest": "raw", "clean": "clean", "feature": "feature"}[stage]
    first, second, *_ = [key for key in published.objects if key.startswith(f"lake/{zone}/")]
    del published.objects[first]
    published.write(second, published.objects[second].content[:-1])
    assert [ending.said for ending in run_all(published, scratch)][STAGES.index(stage)] == "published"  # type: ignore[arg-type]
    check_settled(published, {WEEK: "first"})


def test_a_file_beyond_one_put_stops_the_run_before_anything_is_written(
    published: Bucket, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(published, WEEK, "late")
    zones = {key: o for key, o in published.objects.items() if not key.startswith("lake/_control")}
    monkeypatch.setattr(S3Store, "largest_object", 1000)
    ending = run_stage(published, "ingest", scratch)
    assert ending.exit_code == 3
    assert "5 GiB" in ending.said
    assert zones == {key: o for key, o in published.objects.items() if not key.startswith("lake/_control")}


def test_a_dead_pushgateway_harms_nothing(bucket: Bucket, scratch: Path) -> None:
    deliver(bucket, WEEK, "first")
    settings = Settings(
        source=SOURCE, lake=LAKE, week=WEEK, workers=1, scratch=scratch, pushgateway="http://127.0.0.1:9"
    )
    for stage in STAGES:
        result = outcome.run_stage(
            settings, stage, WEEK, lambda stage=stage: outcome_of(bucket.client, settings, stage, WEEK)
        )
        assert (result.exit_code, result.outcome) == (0, "published")
    check_settled(bucket, {WEEK: "first"})


def test_a_forced_run_writes_a_new_generation_once(published: Bucket, scratch: Path) -> None:
    watch = Watch(published)
    assert [ending.said for ending in run_all(published, scratch, force=True)] == ["published"] * 3
    assert [ending.said for ending in run_all(published, scratch)] == ["unchanged"] * 3
    check_settled(published, {WEEK: "first"})
    assert not watch.broken
