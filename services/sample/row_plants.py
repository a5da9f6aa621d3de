"""Planted cases about the columns beside `ev`: the device, its product, the category, and strings that are not text."""

from __future__ import annotations

import orjson

from services.sample.draft import UNKNOWN, Draft, Rule
from services.sample.draws import Pick
from services.sample.spelling import ODD_BLANKS, WHITE_SPACE

_BLANKS = (None, None, "", "", "  ", *WHITE_SPACE)
_ODD_PNS = ("L5/Pro", "007", "A B", "50%", "x=1", "Größe", "型号", "...", "a.b", "~x-1_", "x" * 200, "%2F")
_NEAR_ODD_PNS = ("L5", "7", "L5%2FPro", "A%20B", "I13\u200b")
_NEAR_BLANK_PNS = ("0", "null", "None", "NaN", "N/A", "\u200b", "\ufeff")
_BAD_PNS = (".", "..", "I13\x00", "I1\n3", "\x7f", "L5\x9f", "x" * 201, "型" * 23, " .. ")
_NEAR_BAD_PNS = ("...", ". .", "..x", "x" * 200, "型" * 22, " I13\t")
_ERROR_CATS = (
    "error",
    "ERROR",
    " Error",
    "eRRoR\t",
    "\xa0Critical\u3000",
    "CRITICAL ",
    "critical",
    "Critical\u2028",
)
_OTHER_CATS = (
    None, "", " ", "Errors", "Error.", "Err or", "\u200bError", "Critical\x1c", "CR\u0130TICAL", "cr\u0131tical",
    "\uff25rror", "Warning", "Fatal", "0",
)  # fmt: skip
_BROKEN = (b"\xff", b"abc\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80", b"ok \xfe ok", b"\x80")
_ODD_TEXTS = ("é", "\U0001f600", "\ufffd", "\u0000", "\U0010ffff", "e\u0301", "\ufeff", "\u202e")


def missing_pn(draft: Draft, pick: Pick) -> None:
    draft.pn, draft.answer.pn = pick.of((*_BLANKS, UNKNOWN)), UNKNOWN


def odd_pn(draft: Draft, pick: Pick) -> None:
    _set_pn(draft, pick.of(_ODD_PNS))


def near_odd_pn(draft: Draft, pick: Pick) -> None:
    _set_pn(draft, pick.of(_NEAR_ODD_PNS))


def near_blank_pn(draft: Draft, pick: Pick) -> None:
    _set_pn(draft, pick.of(_NEAR_BLANK_PNS))


def padded_pn(draft: Draft, pick: Pick) -> None:
    draft.pn = _padded(str(draft.answer.pn), pick)


def unpadded_pn(draft: Draft, pick: Pick) -> None:
    """Inner blanks stay."""
    _set_pn(draft, pick.of(("I 13", "X1\u3000C", "L5\xa0Pro")))


def bad_pn(draft: Draft, pick: Pick) -> None:
    draft.pn = pick.of(_BAD_PNS)
    draft.quarantine("bad_pn")


def near_bad_pn(draft: Draft, pick: Pick) -> None:
    pn = pick.of(_NEAR_BAD_PNS)
    draft.pn, draft.answer.pn = pn, pn.strip()


def no_service_tag(draft: Draft, pick: Pick) -> None:
    draft.service_tag = pick.of(_BLANKS)
    if pick.below(8) == 0:
        draft.pn = ".."
    draft.quarantine("no_service_tag")


def strange_service_tag(draft: Draft, pick: Pick) -> None:
    draft.service_tag = draft.answer.service_tag = pick.of(("0", "null", "None", "-", *ODD_BLANKS))


def padded_service_tag(draft: Draft, pick: Pick) -> None:
    draft.service_tag = _padded(str(draft.answer.service_tag), pick)


def unpadded_service_tag(draft: Draft, pick: Pick) -> None:
    """What is no white space is part of the tag."""
    draft.service_tag = draft.answer.service_tag = f"{pick.of(ODD_BLANKS)}{draft.answer.service_tag}"


def bad_utf8(draft: Draft, pick: Pick) -> None:
    broken = pick.of(_BROKEN)
    match pick.below(8):
        case 0:
            draft.service_tag = broken
        case 1:
            draft.pn = broken
        case 2:
            draft.cat = broken
        case 3:
            draft.ts = broken
        case 4:
            draft.bios = broken
        case 5:
            draft.os_version, draft.service_tag = broken, None
        case _:
            draft.write(orjson.dumps(draft.fields)[:-1] + b',"Note":"' + broken + b'"}')
    draft.quarantine("bad_utf8")


def odd_utf8(draft: Draft, pick: Pick) -> None:
    odd = pick.of(_ODD_TEXTS)
    match pick.below(3):
        case 0:
            draft.bios = odd
        case 1:
            draft.cat, draft.answer.is_error = odd, False
        case _:
            draft.fields["Note"] = odd


def error_category(draft: Draft, pick: Pick) -> None:
    draft.cat, draft.answer.is_error = pick.of(_ERROR_CATS), True


def other_category(draft: Draft, pick: Pick) -> None:
    draft.cat, draft.answer.is_error = pick.of(_OTHER_CATS), False


def _set_pn(draft: Draft, pn: str) -> None:
    draft.pn = draft.answer.pn = pn


def _padded(text: str, pick: Pick) -> str:
    before, after = pick.of(("", *WHITE_SPACE)), pick.of(WHITE_SPACE)
    return f"{before}{text}{after}"


# Shares of zero keep odd partitions out of a drop as in the field, which has `L5/Pro` and `007` from its fleet.
ROW_RULES: dict[str, Rule] = {
    "missing_pn": Rule("null, empty or blank is UNKNOWN", missing_pn, near_blank_pn, 0.005, 0.0),
    "odd_pn": Rule("any other name is its own partition", odd_pn, near_odd_pn, 0.0, 0.0),
    "padded_pn": Rule("white space around is cut off", padded_pn, unpadded_pn, 0.0005, 0.0),
    "bad_pn": Rule("a name that no folder can bear is quarantined", bad_pn, near_bad_pn, 5e-6, 0.0),
    "no_service_tag": Rule("null or blank is quarantined", no_service_tag, strange_service_tag, 0.0002, 0.0),
    "padded_service_tag": Rule("white space around is cut off", padded_service_tag, unpadded_service_tag, 0.0005, 0.0),
    "bad_utf8": Rule("a string that is not UTF-8 is quarantined", bad_utf8, odd_utf8, 2e-5, 1e-4),
    "error_category": Rule("stripped and case-folded: error or critical", error_category, other_category, 2e-4, 1e-4),
}
