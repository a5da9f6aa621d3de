"""Arrow values → JSON text: structs that come as ev, columns of mixed type, rows for the quarantine."""

import base64
import math
from itertools import pairwise
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from services.contracts.source import is_list, is_text
from services.ingest.nested import list_parts, map_parts

_OPTIONS = orjson.OPT_SORT_KEYS
_ESCAPED = r'[\x00-\x1f"\\]'


def json_column(column: pa.Array) -> pa.Array:
    """Each value as canonical JSON, null fields of structs left out at every level; null stays null.

    Column by column from the leaves up: a Python object for each value took ten times as long.
    """
    type_ = column.type
    if pat.is_struct(type_):
        return _objects(column)
    if pat.is_map(type_):
        return _maps(column)
    if is_list(type_):
        offsets, values = list_parts(column)
        mask = column.is_null() if column.null_count else None
        items = pa.ListArray.from_arrays(offsets, pc.fill_null(json_column(values), "null"), mask=mask)
        return _enclosed("[", pc.binary_join(items, ","), "]")
    if pat.is_integer(type_) or pat.is_boolean(type_):
        return column.cast(pa.string())
    if is_text(type_):
        texts = column.cast(pa.string())
        if not pc.any(pc.match_substring_regex(texts, _ESCAPED)).as_py():
            return _enclosed('"', texts, '"')
    return pa.array([None if value is None else _dumps(value) for value in column.to_pylist()], pa.string())


def json_value(value: Any) -> Any:
    """What JSON can hold of a Python value that Arrow made: binary as `{"base64": …}`, other types as text."""
    match value:
        case bytes():
            return {"base64": base64.b64encode(value).decode()}
        case dict():
            return {str(key): json_value(item) for key, item in value.items()}
        case list() | tuple():
            return [json_value(item) for item in value]
        case float() if not math.isfinite(value):
            return None
        case str() | int() | float() | bool() | None:
            return value
        case _:
            return str(value)


def row_text(row: dict[str, Any]) -> str:
    """A source row as JSON text."""
    return _dumps(json_value(row))


def _objects(column: pa.StructArray) -> pa.Array:
    """Structs as JSON objects."""
    children = dict(zip(column.type.names, column.flatten(), strict=True))
    fields = [_enclosed(f",{_dumps(name)}:", json_column(children[name]), "") for name in sorted(children)]
    empty = pa.array([""] * len(column), pa.string())
    joined = pc.binary_join_element_wise(empty, *fields, "", null_handling="replace", null_replacement="")
    objects = _enclosed("", pc.utf8_replace_slice(joined, 0, 1, "{"), "}")  # in place of the first comma
    return pc.if_else(column.is_valid(), objects, None) if column.null_count else objects


def _maps(column: pa.MapArray) -> pa.Array:
    """Maps as JSON objects; the last of equal keys wins."""
    offsets, all_keys, all_items = map_parts(column)
    keys, names = all_keys.to_pylist(), json_column(all_keys).to_pylist()
    items = pc.fill_null(json_column(all_items), "null").to_pylist()
    objects = []
    for start, stop in pairwise(offsets.to_pylist()):
        fields = {keys[place]: f"{names[place]}:{items[place]}" for place in range(start, stop)}
        objects.append("{" + ",".join(fields[key] for key in sorted(fields)) + "}")
    return pc.if_else(column.is_valid(), pa.array(objects, pa.string()), None)


def _enclosed(before: str, texts: pa.Array, after: str) -> pa.Array:
    """Each text between two others; null stays null."""
    return pc.binary_join_element_wise(before, texts, after, "")


def _dumps(value: Any) -> str:
    return orjson.dumps(value, default=json_value, option=_OPTIONS).decode()
