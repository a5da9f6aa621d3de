"""A folder as a store."""

import hashlib

import pytest

from services.contracts.errors import TemporaryError, UsageError
from services.lake.local import LocalStore, file_sha256
from services.lake.store import Body, ChangedError, NotWrittenError, open_store


def body(content, generation=1):
    return Body(content, hashlib.sha256(content).hexdigest(), generation)


CLAIM = b'{"generation": 7}'


@pytest.fixture
def store(tmp_path, no_waiting_for_the_disk):
    return LocalStore(tmp_path / "lake", create=True)


def test_what_is_put_is_listed_read_and_headed_by_its_etag(store):
    etag = store.put("_control/a/claim.json", body(CLAIM), None)
    assert store.get("_control/a/claim.json") == (CLAIM, etag)
    assert store.head("_control/a/claim.json") == (etag, 7, None)
    assert [(o.key, o.etag, o.size) for o in store.objects("_control/a/")] == [
        ("_control/a/claim.json", etag, len(CLAIM))
    ]
    assert store.open("_control/a/claim.json", etag).read() == CLAIM


def test_a_put_names_what_it_replaces(store):
    first = store.put("x", body(b"1"), None)
    for wrong in (None, "0-0"):
        with pytest.raises(NotWrittenError):
            store.put("x", body(b"2"), wrong)
    second = store.put("x", body(b"2"), first)
    assert store.get("x") == (b"2", second)
    with pytest.raises(NotWrittenError):
        store.put("y", body(b"2"), second)


def test_bytes_that_changed_on_their_way_are_not_published(store):
    with pytest.raises(TemporaryError, match="changed between writing and publishing"):
        store.put("x", Body(b"flipped", hashlib.sha256(b"right").hexdigest(), 1), None)
    assert store.get("x") is None
    assert store.objects("") == []


def test_a_file_is_published_from_its_path_by_rename_on_the_lakes_own_disk(store, tmp_path):
    inside, outside = store.root / "_control/tmp/made", tmp_path / "made"
    for place in (inside, outside):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"content")
        store.put(f"raw/{place.parent.name}", Body(place, file_sha256(place), 1), None)
        assert store.get(f"raw/{place.parent.name}")[0] == b"content"
    assert not inside.exists()
    assert outside.exists()


def test_a_reader_knows_when_the_object_is_another(store):
    etag = store.put("x", body(b"1"), None)
    reader = store.open("x", etag)
    store.put("x", body(b"22"), etag)
    assert reader.read() == b"1"
    with pytest.raises(ChangedError):
        store.open("x", etag)
    with pytest.raises(ChangedError):
        store.open("gone", etag)


def test_listing_is_by_prefix_and_sorted_and_folders_are_named(store):
    for key in ("a/b/2", "a/b/1", "a/bc/3", "ab"):
        store.put(key, body(b"x"), None)
    assert [o.key for o in store.objects("a/b")] == ["a/b/1", "a/b/2", "a/bc/3"]
    assert [o.key for o in store.objects("a/b/")] == ["a/b/1", "a/b/2"]
    assert store.folders("a/") == ["b", "bc"]
    assert store.folders("nowhere/") == store.objects("nowhere/") == []


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"x", b'{"generation": "x"}'])
def test_objects_of_others_have_no_generation(store, content):
    store.put("x.json", body(content), None)
    assert store.head("x.json").generation is None


def test_a_link_to_nowhere_is_no_object(store):
    (store.root / "link").symlink_to(store.root / "gone")
    assert store.objects("") == []
    assert store.head("link") is None


def test_a_folder_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(UsageError, match="there is no such folder"):
        open_store(str(tmp_path / "none"))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="a file, not a folder"):
        open_store(str(tmp_path / "file"))
    assert open_store(f"file://{tmp_path}/made", create=True).objects("") == []


@pytest.mark.parametrize("url", ["gs://bucket", "http://host/x", "s3:/bucket", "s3:bucket"])
def test_other_kinds_of_store_are_refused(url):
    with pytest.raises(UsageError, match="only a folder or s3://"):
        open_store(url)


def test_a_file_is_no_lake(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError):
        open_store(str(tmp_path / "file"), create=True)
