"""The identity of an event on its device."""

import orjson
import pytest
import xxhash

from services.clean.event_key import canonical, content_hashes, id_key, key_hash, present

VOLATILE = ("LogTime", "UploadTime", "SeqNo", "BatchId")


def key_of(text):
    return content_hashes([orjson.loads(text)], VOLATILE)[0]


def test_the_hash_is_xxh3_128_of_the_canonical_json():
    assert key_of('{ "b": [1, {"d":null,"c":"\\u00fc"}], "SeqNo": 1, "a": 1.0 }') == xxhash.xxh3_128_digest(
        '{"a":1.0,"b":[1,{"c":"ü","d":null}]}'.encode()
    )
    assert key_of("{}") == xxhash.xxh3_128_digest(b"{}")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a":1,"b":2}', '{ "b" : 2, "a" : 1 }', True),
        ('{"a":{"x":1,"y":2}}', '{"a":{"y":2,"x":1}}', True),
        ('{"a":1,"a":2}', '{"a":2}', True),
        ('{"a":"\\u0041\\/"}', '{"a":"A/"}', True),
        ('{"a":1,"LogTime":1,"UploadTime":[],"SeqNo":null,"BatchId":"x"}', '{"a":1}', True),
        ('{"a":1e2}', '{"a":100.0}', True),
        ('{"a":-0.0}', '{"a":0.0}', False),
        ('{"a":1}', '{"a":1.0}', False),
        ('{"a":1}', '{"a":"1"}', False),
        ('{"a":null}', "{}", False),
        ('{"a":[1,2]}', '{"a":[2,1]}', False),
        ('{"logtime":1}', '{"logtime":2}', False),
        ('{"a":{"LogTime":1}}', '{"a":{"LogTime":2}}', False),
        ('{"TimeStamp":1}', '{"TimeStamp":2}', False),
        ('{"a":"ü"}', '{"a":"u\u0308"}', False),
        ('{"a":123456789012345678901}', '{"a":123456789012345678902}', True),
    ],
)
def test_content_and_nothing_else_makes_two_events_equal(one, other, same):
    assert (key_of(one) == key_of(other)) is same


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, False),
        ("", False),
        (" \u3000\x85", False),
        ("\x1c", True),
        ("\u200b", True),
        ("0", True),
        (0, True),
        (False, True),
        ([], True),
        ({}, True),
    ],
)
def test_present_is_there_and_not_blank(value, expected):
    assert present(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", "7"),
        (" 7 ", " 7 "),
        (7, "7"),
        (7.0, "7.0"),
        (False, "false"),
        ([1, {"b": 1, "a": 2}], '[1,{"a":2,"b":1}]'),
        ({}, "{}"),
    ],
)
def test_event_id_is_a_key_as_text(value, expected):
    assert id_key(value) == expected


def test_keys_are_sorted_by_code_point_at_every_level():
    (text,) = canonical([{"é": 1, "z": {"\U0001f4bb": 1, "\uffff": 2}, "Z": 1, "": 1}])
    assert text.decode() == '{"":1,"Z":1,"z":{"\uffff":2,"\U0001f4bb":1},"é":1}'


def test_a_key_has_one_hash_whether_it_is_a_content_hash_or_looks_like_one():
    content = xxhash.xxh3_128_digest(b"{}")
    assert key_hash(content.hex()) == int.from_bytes(content[:8], "big")
    for key in ("7", content.hex()[1:], content.hex().upper(), content.hex() + "\n", "٣" * 32):
        assert key_hash(key) == xxhash.xxh3_64_intdigest(key.encode())
