"""Parquet footers that lie: Thrift's compact protocol by hand, because no library writes a file that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
_SNAPPY, _BYTE_ARRAY, _OPTIONAL, _UTF8 = 1, 6, 1, 0


class Value(NamedTuple):
    """One Thrift value with its type."""

    kind: int
    content: Any


def i32(number: int) -> Value:
    return Value(_I32, number)


def i64(number: int) -> Value:
    return Value(_I64, number)


def text(content: str) -> Value:
    return Value(_BINARY, content.encode())


def many(*items: Value) -> Value:
    return Value(_LIST, items)


def struct(**fields: Value) -> Value:
    """Fields by number, as f1=…, ascending."""
    return Value(_STRUCT, {int(name[1:]): value for name, value in fields.items()})


class Claim(NamedTuple):
    """What a footer says of the file's one row group."""

    rows: int = 1
    group_rows: int = 1
    values: int = 1
    compressed: int = 40
    uncompressed: int = 40
    page_uncompressed: int = 40
    """What the page's own header says."""


def write_claiming(path: Path, claim: Claim, columns: tuple[str, ...] = ("service_tag", "cat", "ev")) -> None:
    """A file of some 300 bytes: its columns' pages hold a few bytes of rubbish, its footer is well formed."""
    page = _encoded(
        struct(
            f1=i32(0),
            f2=i32(claim.page_uncompressed),
            f3=i32(8),
            f5=struct(f1=i32(claim.values % 2**31), f2=i32(0), f3=i32(3), f4=i32(3)),
        )
    )
    data = b"PAR1" + page + b"\xff\xff\xff\xff\x07rub"
    leaves = [struct(f1=i32(_BYTE_ARRAY), f3=i32(_OPTIONAL), f4=text(name), f6=i32(_UTF8)) for name in columns]
    chunks = [_chunk(name, claim) for name in columns]
    group = struct(f1=many(*chunks), f2=i64(claim.uncompressed * len(columns)), f3=i64(claim.group_rows))
    root = struct(f4=text("schema"), f5=i32(len(columns)))
    footer = _encoded(struct(f1=i32(1), f2=many(root, *leaves), f3=i64(claim.rows), f4=many(group)))
    path.write_bytes(data + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def _chunk(name: str, claim: Claim) -> Value:
    about = struct(
        f1=i32(_BYTE_ARRAY),
        f2=many(i32(0), i32(3)),
        f3=many(text(name)),
        f4=i32(_SNAPPY),
        f5=i64(claim.values),
        f6=i64(claim.uncompressed),
        f7=i64(claim.compressed),
        f9=i64(4),
    )
    return struct(f2=i64(4), f3=about)


def _encoded(value: Value) -> bytes:
    match value.kind:
        case 5 | 6:
            return varint(value.content << 1 if value.content >= 0 else (-value.content << 1) - 1)
        case 8:
            return varint(len(value.content)) + value.content
        case 9:
            size = len(value.content)
            head = (
                bytes([size << 4 | value.content[0].kind])
                if size < 15
                else bytes([0xF0 | value.content[0].kind]) + varint(size)
            )
            return head + b"".join(_encoded(item) for item in value.content)
        case _:
            written, before = b"", 0
            for number, field in value.content.items():
                written += bytes([(number - before) << 4 | field.kind]) + _encoded(field)
                before = number
            return written + b"\0"


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; a signed number comes shifted left by one."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
