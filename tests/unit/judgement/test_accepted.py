"""The record of `eventlog accept`."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from services.contracts import layout
from services.contracts.errors import BadInputError
from services.judgement.accepted import accept, read_accepted
from services.lake.local import LocalStore
from tests.drops import WEEK


@pytest.fixture
def lake(tmp_path, no_waiting_for_the_disk):
    return LocalStore(tmp_path / "lake", create=True)


def test_what_is_accepted_is_read_again(lake):
    assert read_accepted(lake, WEEK) is None
    written = accept(lake, WEEK, "a second plant", ["raw_size:raw_bytes"])
    assert read_accepted(lake, WEEK) == written
    assert (written.reason, written.findings) == ("a second plant", ("raw_size:raw_bytes",))


def test_saying_it_twice_writes_once(lake):
    first = accept(lake, WEEK, "a second plant", ["raw_size:raw_bytes"])
    before = lake.head(layout.accepted_key(WEEK)).etag
    assert accept(lake, WEEK, "a second plant", ["raw_size:raw_bytes"]) == first
    assert lake.head(layout.accepted_key(WEEK)).etag == before


def test_what_is_accepted_later_comes_beside_it(lake):
    accept(lake, WEEK, "a second plant", ["raw_size:raw_bytes"])
    second = accept(lake, WEEK, "and its re-sends", ["duplicates:duplicate_ratio"])
    assert second.findings == ("duplicates:duplicate_ratio", "raw_size:raw_bytes")
    assert second.generation == 2


def test_nothing_is_lost_when_many_accept_at_once(lake):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: accept(lake, WEEK, "growth", [f"unusual:{n}"]), range(8)))
    assert len(read_accepted(lake, WEEK).findings) == 8


def test_something_else_in_its_place_is_said_to_be_that(lake):
    (lake.root / layout.accepted_key(WEEK)).parent.mkdir(parents=True)
    (lake.root / layout.accepted_key(WEEK)).write_text("[]")
    with pytest.raises(BadInputError, match="not a record of `eventlog accept`"):
        read_accepted(lake, WEEK)
