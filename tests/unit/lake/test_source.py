"""A source as it lies there."""

import os

import pytest

from services.contracts.errors import NotReadyError
from services.lake.local import LocalStore
from services.lake.source import list_drop, list_weeks

WEEK = "2024-05-10"


@pytest.fixture
def source(tmp_path):
    for name in (
        f"{WEEK}/b.parquet",
        f"{WEEK}/a.parquet",
        f"{WEEK}/_hidden.parquet",
        f"{WEEK}/notes.txt",
        f"{WEEK}/sub/c.parquet",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (1_000, 1_000))
    for name in ("2024-05-03", "2024-5-17", "archive", "2024-02-30"):
        (tmp_path / name).mkdir()
    return LocalStore(tmp_path)


def test_weeks_are_the_folders_that_are_dates(source):
    assert list_weeks(source) == ["2024-05-03", WEEK]


def test_a_drop_is_its_direct_children_in_order(source):
    assert [(key, size) for key, _, size in list_drop(source, WEEK, 0).objects] == [
        (f"{WEEK}/a.parquet", 1),
        (f"{WEEK}/b.parquet", 1),
    ]


@pytest.mark.parametrize(
    ("week", "sentence"), [("2024-05-17", "no such drop"), ("2024-05-03", "no file ends in .parquet")]
)
def test_a_drop_that_has_not_come_is_not_ready(source, week, sentence):
    with pytest.raises(NotReadyError, match=sentence):
        list_drop(source, week, 0)


@pytest.mark.parametrize(("now", "is_ready"), [(1_899, False), (1_900, True), (0, False)])
def test_a_drop_settles_by_the_age_of_its_newest_file(source, now, is_ready):
    if is_ready:
        assert len(list_drop(source, WEEK, 900, now=lambda: now).objects) == 2
    else:
        with pytest.raises(NotReadyError, match="may still be arriving"):
            list_drop(source, WEEK, 900, now=lambda: now)


def test_a_digest_is_of_exactly_these_versions(source):
    before = list_drop(source, WEEK, 0)
    assert list_drop(source, WEEK, 0).digest() == before.digest()
    os.utime(source.root / WEEK / "a.parquet", (1_001, 1_001))
    assert list_drop(source, WEEK, 0).digest() != before.digest()
