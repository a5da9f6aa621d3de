"""Planted groups: uploads that tell of one event again, and uploads that only look like it."""

from __future__ import annotations

import orjson

from services.sample.draft import CANDIDATES, Draft, GroupPlant, ResendRule
from services.sample.draws import Pick
from services.sample.fleet import PRODUCTS
from services.sample.spelling import SECOND, at

_VOLATILE = ("LogTime", "UploadTime", "SeqNo", "BatchId")
_FAULTS = ("1980-01-01T00:00:00Z", "1970-01-01 00:00:17", "2099-12-31T23:59:59.999Z", 0, "not set")


def as_uploaded(draft: Draft, pick: Pick, role: int) -> None:
    """Guests are re-sends as they come: the volatile fields, ts and eventdate are those of another upload."""
    if role and pick.below(3) == 0:
        del draft.fields[_VOLATILE[pick.below(len(_VOLATILE))]]


def look_alike(draft: Draft, pick: Pick, role: int) -> None:
    """The same error at another time, on another device, with no key or with no time at all: never merged."""
    match pick.below(5):
        case 0 | 1:
            later = draft.times["TimeStamp"] + role * pick.of((1, 1_000, SECOND, 3_600 * SECOND))
            draft.fields["TimeStamp"] = f"{at(later):%Y-%m-%dT%H:%M:%S.%f}Z"
            draft.expect_time("TimeStamp", "ok", later)
        case 2:
            _move(draft, role)
        case 3:
            draft.drop("TimeStamp")
            draft.fields["EventId"] = pick.of((None, "", "  ", "\u3000"))
            draft.expect("LogTime")
        case _:
            draft.fields["TimeStamp"] = pick.of(_FAULTS)
            _lose_other_times(draft)


def reformatted(draft: Draft, pick: Pick, role: int) -> None:
    """Another order of keys, white space, escapes and spellings of a number, all of one canonical JSON."""
    draft.fields["Place"], draft.fields["Load"] = "Zürich \U0001f4a5 /a", 100.0
    spelling = (pick.below(6) + role) % 6
    ascii_only = orjson.dumps(draft.fields).decode().replace("ü", "\\u00fc").replace("\U0001f4a5", "\\uD83D\\uDCA5")
    match spelling:
        case 0:
            draft.fields = dict(reversed(draft.fields.items()))
        case 1:
            draft.write(orjson.dumps(draft.fields, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        case 2:
            draft.write(ascii_only.replace("/a", "\\/a").encode())
        case 3:
            draft.write(ascii_only.replace(":100.0", " : 1.0e+2").encode())
        case 4:
            draft.write(b'{"Load":1,"Place":[{}],' + orjson.dumps(draft.fields)[1:])
        case _:
            draft.write(ascii_only.replace('"RecordId"', '"Record\\u0049d"').encode())


def other_payload(draft: Draft, pick: Pick, role: int) -> None:
    """One thing in the payload differs that no spelling explains; every role has its own."""
    match pick.below(6):
        case 0:
            number = draft.fields["RecordId"]
            draft.fields["RecordId"] = (number, float(number), str(number), [number])[role]
        case 1:
            draft.fields["Data"] = {**draft.fields["Data"], "LogTime": role}
        case 2:
            draft.fields[("seqno", "Seqno", "SEQNO", "SeqNo ")[role]] = 1
        case 3:
            draft.fields["Note"] = ("\u00e9", "e\u0301", "E\u0301", "e")[role]
        case 4:
            draft.fields["Order"] = ([1, 2, 3], [3, 2, 1], [1, 2], [1, 3, 2])[role]
        case _:
            draft.fields.update(({}, {"Note": None}, {"Note": ""}, {"": None})[role])


def other_payload_without_pn(draft: Draft, pick: Pick, role: int) -> None:
    """Lost its pn, and is another event all the same."""
    other_payload(draft, pick, role)
    if role:
        draft.pn, draft.answer.pn = None, "UNKNOWN"


def other_product(draft: Draft, pick: Pick, role: int) -> None:
    """The device was sent in under another product: still the same event."""
    if role:
        draft.pn = draft.answer.pn = list(PRODUCTS)[(pick.below(12) + role) % 12]


def clock_fault_again(draft: Draft, pick: Pick, _role: int) -> None:
    """The wrong time is part of the event; LogTime orders its uploads."""
    draft.fields["TimeStamp"] = pick.of(_FAULTS)
    draft.expect("LogTime", "fallback")


def clock_fault_without_time(draft: Draft, pick: Pick, role: int) -> None:
    """The same wrong time and nothing to fall back to, or another wrong time: never merged."""
    if pick.below(2):
        draft.fields["TimeStamp"] = pick.of(_FAULTS)
        _lose_other_times(draft)
    else:
        draft.fields["TimeStamp"] = f"1980-01-01T00:00:0{role}Z"
        draft.expect("LogTime", "fallback")


def by_event_id(draft: Draft, pick: Pick, _role: int) -> None:
    """No TimeStamp, in one of the ways that a field can be blank: EventId alone tells the event."""
    _without_timestamp(draft, pick.below(4))
    _give_event_id(draft)


def other_event_id(draft: Draft, pick: Pick, role: int) -> None:
    _without_timestamp(draft, pick.below(4) + role)
    _give_event_id(draft)
    guid = str(draft.fields["EventId"])
    match pick.below(4):
        case 0:
            draft.fields["EventId"] = (guid, guid.upper() + "A", f"{{{guid}}}", f"{guid} ")[role]
        case 1:
            _move(draft, role)
        case 2:
            draft.fields["EventId"] = pick.of((None, "", "\u2003"))
        case _:
            draft.fields["EventId"] = [guid, role]


def by_event_number(draft: Draft, pick: Pick, role: int) -> None:
    """A number and its text are one EventId; so is an object in any order of keys."""
    _without_timestamp(draft, pick.below(4))
    number = draft.fields["RecordId"]
    match pick.below(3):
        case 0:
            draft.fields["EventId"] = number
        case 1:
            draft.fields["EventId"] = (number, str(number))[role % 2]
        case _:
            pair = {"Id": number, "A": [1.5, True]}
            draft.fields["EventId"] = pair if role % 2 else dict(reversed(pair.items()))


def other_event_number(draft: Draft, pick: Pick, role: int) -> None:
    _without_timestamp(draft, role)
    number = draft.fields["RecordId"]
    spellings = (
        (number, float(number), [number], f"0{number}"),
        (number, f"{number} ", f"+{number}", {"Id": number}),
    )
    draft.fields["EventId"] = pick.of(spellings)[role]


def conflict(draft: Draft, pick: Pick, role: int) -> None:
    """One EventId over different payloads merges all the same, and is counted as a conflict."""
    _without_timestamp(draft, pick.below(4) + role)
    _give_event_id(draft)
    draft.fields["Message"] = f"Event of this type, number {role}"


def conflict_with_timestamp(draft: Draft, _pick: Pick, role: int) -> None:
    """Where there is a TimeStamp, EventId decides nothing."""
    _give_event_id(draft)
    draft.fields["Message"] = f"Event of this type, number {role}"


def padded_tag(draft: Draft, pick: Pick, role: int) -> None:
    draft.service_tag = f"{' ' * role}{draft.answer.service_tag}{pick.of(('', chr(9), chr(0x3000)))}"


def similar_tag(draft: Draft, _pick: Pick, role: int) -> None:
    tag = str(draft.answer.service_tag)
    spellings = (tag, f"{tag}\u200b", f"{tag[:3]} {tag[3:]}", f"{tag}-")
    draft.service_tag = draft.answer.service_tag = spellings[role]


def lost_pn(draft: Draft, _pick: Pick, role: int) -> None:
    """Which of the group lost it is in the answer already, as it decides which row is kept."""
    if draft.answer.pn == "UNKNOWN":
        draft.pn = (None, "", "  ", "\xa0")[role]


def _move(draft: Draft, role: int) -> None:
    if role:
        draft.service_tag = draft.answer.service_tag = draft.others[role - 1]


def _lose_other_times(draft: Draft) -> None:
    for candidate in CANDIDATES[1:]:
        draft.drop(candidate)
    draft.expect_no_time("invalid")


def _without_timestamp(draft: Draft, way: int) -> None:
    draft.drop("TimeStamp")
    if way % 4:
        draft.fields["TimeStamp"] = (None, "", " \t")[way % 4 - 1]
    draft.expect("LogTime")


def _give_event_id(draft: Draft) -> None:
    """A few ordinary events have none."""
    draft.fields.setdefault("EventId", f"rec-{draft.fields['RecordId']}-{draft.times['TimeStamp']}")


def _rule(meaning: str, plants: tuple[GroupPlant, GroupPlant], shares: tuple[float, float], time: str) -> ResendRule:
    return ResendRule(meaning, *plants, *shares, time)


RESEND_RULES: dict[str, ResendRule] = {
    "resend": _rule("only volatile fields differ", (as_uploaded, look_alike), (0.615, 0.08), "TimeStamp"),
    "resend_reformatted": _rule("one canonical JSON", (reformatted, other_payload), (0.09, 0.02), "TimeStamp"),
    "resend_lost_pn": _rule(
        "merges across pn; a row with a pn is preferred",
        (lost_pn, other_payload_without_pn),
        (0.06, 0.005),
        "TimeStamp",
    ),
    "resend_other_pn": _rule("merges across pn", (other_product, other_payload), (0.005, 0.005), "TimeStamp"),
    "resend_clock_fault": _rule(
        "the earliest LogTime stays", (clock_fault_again, clock_fault_without_time), (0.01, 0.005), "LogTime"
    ),
    "resend_event_id": _rule(
        "without TimeStamp, EventId is the key", (by_event_id, other_event_id), (0.06, 0.01), "LogTime"
    ),
    "resend_event_number": _rule(
        "an EventId that is no string counts as its JSON",
        (by_event_number, other_event_number),
        (0.01, 0.005),
        "LogTime",
    ),
    "resend_conflict": _rule(
        "one EventId, several payloads", (conflict, conflict_with_timestamp), (0.005, 0.005), "LogTime"
    ),
    "resend_padded_tag": _rule("one device once trimmed", (padded_tag, similar_tag), (0.005, 0.005), "TimeStamp"),
}
"""By label; the shares are of the groups of a drop as in the field and sum to one."""
