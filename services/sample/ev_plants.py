"""Planted cases about `ev` as a text: what is JSON, what is an object, what is too large or too deep."""

from __future__ import annotations

import orjson

from services.sample.draft import Draft, Rule
from services.sample.draws import Pick

LARGEST_EV = 1_048_576
"""Bytes; one more is too big."""

DEEPEST_EV = 100

_NOT_JSON = (
    b"", b" ", b"{", b"}", b"{'a':1}", b"{a:1}", b"undefined", b"\xef\xbb\xbf{}", b'{"a":1}{"b":2}', b'{"a":1} x',
    b"None", b"<Event/>", b'{"a":"\t"}', b'{"a":.5}', b'{"a":01}', b'{"a":"\\x41"}', b'{"a" 1}', b'{"a":1,,"b":2}',
    b"// {}\n{}",
)  # fmt: skip
_NOT_JSON_VALUES = (
    b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1" * 5_000, b'"\\ud800"', b'"\\udc00\\ud800"', b"[1,]",
    b"+1", b"0x10", b'"\\ud800\\u0041"', b"True", b'"\n"',
)  # fmt: skip
_JSON_VALUES = (
    b'"NaN"', b'"[1,]"', b"1e308", b"1" * 300, b'"\\ud83d\\ude00"', b'"\\ufeff"', b"-0", b"1E+2",
    b"12345678901234567890123",
    b'"\\u0000"', b'"\\"{"', b"1e-400", b"[ ]", b"18446744073709551615", b'"' + b"1" * 5_000 + b'"', b"false",
)  # fmt: skip
_NOT_OBJECTS = (b"null", b"true", b"0", b"-1.5", b'"text"', b"[]", b"[{}]", b" 1 ", b'""', b'"{}"')
_EMPTY_OBJECTS = (b"{}", b" {} ", b"\r\n{\t}", b'{"":1}', b'{"ev":[]}', b'{"timestamp":"2024","eventid":1}')


def null_ev(draft: Draft, _pick: Pick) -> None:
    draft.spoil_ev(None, "null")


def null_as_text(draft: Draft, pick: Pick) -> None:
    draft.spoil_ev(
        *pick.of(((b"null", "not_object"), (b"", "not_json"), (b"NULL", "not_json"), (b'"null"', "not_object")))
    )


def not_json(draft: Draft, pick: Pick) -> None:
    text = orjson.dumps(draft.fields)
    match pick.below(4):
        case 0:
            draft.spoil_ev(text[: pick.below(len(text) - 1)], "not_json")
        case 1:
            draft.spoil_ev(
                pick.of((text[:-1] + b",}", b"\xef\xbb\xbf" + text, text + text, text + b"\x00")), "not_json"
            )
        case 2:
            draft.spoil_ev(pick.of(_NOT_JSON), "not_json")
        case _:
            draft.spoil_ev(_with_value(draft, pick.of(_NOT_JSON_VALUES)), "not_json")


def strange_json(draft: Draft, pick: Pick) -> None:
    draft.write(_with_value(draft, pick.of(_JSON_VALUES)))


def not_object(draft: Draft, pick: Pick) -> None:
    text = orjson.dumps(draft.fields)
    whole = (
        b"[" + text + b"]",
        orjson.dumps(text.decode()),
        orjson.dumps(orjson.dumps(text.decode()).decode()),
    )
    draft.spoil_ev(pick.of((*whole, *_NOT_OBJECTS)), "not_object")


def strange_object(draft: Draft, pick: Pick) -> None:
    if pick.below(2):
        draft.write(
            pick.of((b"\n\t ", b" ", b"\r\n")) + orjson.dumps(draft.fields, option=orjson.OPT_INDENT_2) + b" \n"
        )
    else:
        draft.spoil_ev(pick.of(_EMPTY_OBJECTS), "ok")


def too_deep(draft: Draft, pick: Pick) -> None:
    """One level more than allowed; valid JSON or not."""
    most = DEEPEST_EV
    match pick.below(5):
        case 0:
            text = b"[" * (most + 1 + pick.below(50))
        case 1:
            text = b"]]}}" + b"{" * (most + 1)
        case 2:
            text = b'{"a":' * (most + 1) + b"1" + b"}" * (most + 1)
        case _:
            text = _with_value(draft, _nested(most))
    draft.spoil_ev(text, "too_deep")


def deep_enough(draft: Draft, pick: Pick) -> None:
    """The last level allowed, brackets inside of strings, and levels that are closed again."""
    most = DEEPEST_EV
    match pick.below(6):
        case 0:
            draft.spoil_ev(b"[" * most, "not_json")
        case 1:
            draft.spoil_ev(b"[" * 60 + b"]" * 60 + b"{" * 60, "not_json")
        case 2:
            draft.spoil_ev(_nested(most), "not_object")
        case 3:
            draft.write(_with_value(draft, b'"\\"' + b"[{" * 200 + b'\\\\"'))
        case 4:
            draft.write(_with_value(draft, b"[" + b",".join([_nested(98)] * 3) + b"]"))
        case _:
            draft.write(_with_value(draft, _nested(most - 1)))


def too_big(draft: Draft, pick: Pick) -> None:
    draft.spoil_ev(_of_size(draft, LARGEST_EV + 1, pick.of(("x", "\u00e9"))), "too_big")


def big_enough(draft: Draft, pick: Pick) -> None:
    draft.write(_of_size(draft, LARGEST_EV, pick.of(("x", "\u00e9"))))


def repeated_key(draft: Draft, pick: Pick) -> None:
    """The last value wins: here it is the good one."""
    wrong = pick.of((b"0", b"null", b'"1980-01-01T00:00:00Z"', b'{"TimeStamp":1}', b'""'))
    draft.write(b'{"TimeStamp":' + wrong + b"," + orjson.dumps(draft.fields)[1:])


def repeated_key_spoilt(draft: Draft, pick: Pick) -> None:
    """Here the last value is the bad one, in one spelling of the key or another."""
    key = pick.of((b"TimeStamp", b"Time\\u0053tamp"))
    wrong = pick.of((b"0", b'"1980-01-01T00:00:00Z"', b"[]", b"false"))
    draft.write(orjson.dumps(draft.fields)[:-1] + b',"' + key + b'":' + wrong + b"}")
    draft.expect("LogTime", "fallback")


def _with_value(draft: Draft, value: bytes) -> bytes:
    return orjson.dumps(draft.fields)[:-1] + b',"Extra":' + value + b"}"


def _nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def _of_size(draft: Draft, size: int, filler: str) -> bytes:
    """The fields and a dump of memory, `size` bytes; with é, half as many characters."""
    start = _with_value(draft, b'"')[:-1]
    room = size - len(start) - len(b'"}')
    filled = filler.encode() * (room // len(filler.encode()))
    return start + filled.ljust(room, b"x") + b'"}'


EV_RULES: dict[str, Rule] = {
    "ev_null": Rule("no ev at all", null_ev, null_as_text, 4e-4, 2e-5),
    "ev_not_json": Rule("what orjson refuses", not_json, strange_json, 8e-4, 2e-4),
    "ev_not_object": Rule("JSON, and no object", not_object, strange_object, 3e-4, 2e-4),
    "ev_too_deep": Rule("over 100 levels at some point", too_deep, deep_enough, 1e-5, 1e-5),
    "ev_repeated_key": Rule("the last value of a repeated key wins", repeated_key, repeated_key_spoilt, 2e-5, 2e-5),
}

BIG_RULES: dict[str, Rule] = {"ev_too_big": Rule("over 1,048,576 bytes", too_big, big_enough, 0.0, 0.0)}
"""A handful a week whatever its size: a thousand of them would be a gigabyte."""
