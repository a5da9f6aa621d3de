"""What a drop's files may look like: which columns, of which types, under which names in raw."""

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

import pyarrow as pa
import pyarrow.types as pat

from services.contracts.errors import Fault

REQUIRED = ("service_tag", "cat", "ev")
KNOWN = (*REQUIRED, "pn", "ts", "eventdate")
_TAKEN = ("week", "source_file", "source_row")
"""Names that mean something else in the lake."""


def is_source_file(name: str) -> bool:
    """Whether a file is part of a drop, by its path below the drop's folder."""
    return "/" not in name and name.endswith(".parquet") and not name.startswith(("_", "."))


def schema_faults(file: str, schema: pa.Schema) -> list[Fault]:
    """Everything wrong with a file's columns."""
    faults = [
        Fault(file, name, "is missing" + _close_match(name, schema.names))
        for name in REQUIRED
        if name not in schema.names
    ]
    seen: dict[str, str] = {}
    for field in schema:
        name = raw_name(field.name)
        if name.lower() in seen:
            faults.append(
                Fault(file, field.name, f"differs from column {seen[name.lower()]} only in case, or not at all")
            )
        seen[name.lower()] = field.name
        if repeated := _repeated_field(field.type):
            faults.append(Fault(file, field.name, f"has a struct with two fields named {repeated}"))
        if field.name in _ACCEPTED and not pat.is_null(field.type):
            accepts, words = _ACCEPTED[field.name]
            if not accepts(plain(field.type)):
                faults.append(Fault(file, field.name, f"has type {field.type}, accepted are {words}"))
    return faults


def raw_name(name: str) -> str:
    """The name that a source column has in raw."""
    return f"source_{name}" if name.lower() in _TAKEN else name


def plain(type_: pa.DataType) -> pa.DataType:
    """A type without dictionaries, views and extensions at any depth, where every value may be null.

    Arrow cannot pick rows of views, and a file without the column has nulls for it.
    """
    if isinstance(type_, pa.BaseExtensionType):
        return plain(type_.storage_type)
    if pat.is_dictionary(type_):
        return plain(type_.value_type)
    if pat.is_nested(type_):
        return _plain_nested(type_)
    return pa.string() if pat.is_string_view(type_) else pa.binary() if pat.is_binary_view(type_) else type_


def _plain_nested(type_: pa.DataType) -> pa.DataType:
    if pat.is_struct(type_):
        return pa.struct([_plain_field(field) for field in type_])
    if pat.is_map(type_):
        return pa.map_(plain(type_.key_type), plain(type_.item_type))
    if pat.is_fixed_size_list(type_):
        return pa.list_(_plain_field(type_.value_field), type_.list_size)
    if pat.is_large_list(type_) or pat.is_large_list_view(type_):
        return pa.large_list(_plain_field(type_.value_field))
    return pa.list_(_plain_field(type_.value_field)) if is_list(type_) else type_


def _plain_field(field: pa.Field) -> pa.Field:
    return nullable(field, plain(field.type))


def nullable(field: pa.Field, type_: pa.DataType) -> pa.Field:
    """The field with another type, where every value may be null."""
    return field.with_type(type_).with_nullable(True)


def is_list(type_: pa.DataType) -> bool:
    """Any of the list forms; maps are none."""
    return (
        pat.is_list(type_)
        or pat.is_large_list(type_)
        or pat.is_fixed_size_list(type_)
        or pat.is_list_view(type_)
        or pat.is_large_list_view(type_)
    )


def is_text(type_: pa.DataType) -> bool:
    """Any of the string forms."""
    return pat.is_string(type_) or pat.is_large_string(type_) or pat.is_string_view(type_)


def is_binary(type_: pa.DataType) -> bool:
    """Any of the binary forms."""
    return (
        pat.is_binary(type_)
        or pat.is_large_binary(type_)
        or pat.is_binary_view(type_)
        or pat.is_fixed_size_binary(type_)
    )


class ExtraColumns:
    """The columns of a drop that the contract does not know: kept, under one type for the whole drop."""

    def __init__(self, schemas: Mapping[str, pa.Schema]) -> None:
        self.faults: list[Fault] = []
        types: dict[str, set[pa.DataType]] = {}
        spelt: dict[str, str] = {}
        for file, schema in sorted(schemas.items()):
            for field in schema:
                if field.name in KNOWN:
                    continue
                name = raw_name(field.name)
                other = spelt.setdefault(name.lower(), name)
                if other != name:
                    self.faults.append(Fault(file, field.name, f"is spelt {other} in another file of the drop"))
                types.setdefault(name, set()).add(_kept(field.type))
        self.schema = pa.schema([pa.field(name, _agreed(kinds)) for name, kinds in sorted(types.items())])
        self.as_json = frozenset(name for name, kinds in types.items() if len(kinds - {pa.null()}) > 1)
        """Those whose type differs between files: they are kept as JSON text."""


def _kept(type_: pa.DataType) -> pa.DataType:
    type_ = plain(type_)
    return pa.string() if is_text(type_) else type_


def _agreed(kinds: set[pa.DataType]) -> pa.DataType:
    known = kinds - {pa.null()}
    return known.pop() if len(known) == 1 else pa.string()


def _close_match(name: str, names: Iterable[str]) -> str:
    for other in names:
        if other.strip().lower() == name:
            return f" (there is {other!r}; names are case-sensitive)"
    return ""


def _repeated_field(type_: pa.DataType) -> str | None:
    """A name that two fields of a struct have, at any depth: which of them is meant, nobody can tell."""
    children = [type_.field(place) for place in range(type_.num_fields)]
    if pat.is_struct(type_):
        names = sorted(field.name for field in children)
        if again := next((one for one, other in pairwise(names) if one == other), None):
            return again
    return next(filter(None, (_repeated_field(field.type) for field in children)), None)


def _number_or_time(type_: pa.DataType) -> bool:
    return pat.is_integer(type_) or pat.is_floating(type_) or pat.is_timestamp(type_)


def _is_json_like(type_: pa.DataType) -> bool:
    """Whether a nested type has one exact JSON form: decimals and binaries have none."""
    type_ = plain(type_)
    if pat.is_struct(type_):
        return all(_is_json_like(field.type) for field in type_)
    if pat.is_map(type_):
        return is_text(plain(type_.key_type)) and _is_json_like(type_.item_type)
    if is_list(type_):
        return _is_json_like(type_.value_type)
    return is_text(type_) or pat.is_boolean(type_) or pat.is_null(type_) or pat.is_date(type_) or _number_or_time(type_)


_ACCEPTED: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "service_tag": (is_text, "strings"),
    "cat": (is_text, "strings"),
    "ev": (
        lambda t: is_text(t) or is_binary(t) or ((pat.is_struct(t) or pat.is_map(t)) and _is_json_like(t)),
        "strings, binary, and structs or maps without binary and decimal children",
    ),
    "pn": (lambda t: is_text(t) or pat.is_integer(t), "strings and integers"),
    "ts": (
        lambda t: is_text(t) or pat.is_date(t) or _number_or_time(t),
        "strings, timestamps, dates, integers and floats",
    ),
    "eventdate": (lambda t: is_text(t) or _number_or_time(t), "integers, floats, timestamps and strings"),
}
