"""Arrow values → JSON text: structs that come as ev, columns of mixed type, rows for the quarantine."""

import base64
import math
from typing import Any

import orjson
import pyarrow as pa

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def json_column(column: pa.Array) -> pa.Array:
    """Each value as canonical JSON, null fields of structs left out at every level; null stays null."""
    trees = [_tree(value, column.type) for value in column.to_pylist()]
    return pa.array([None if tree is None else _dumps(tree) for tree in trees], pa.string())


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


def _tree(value: Any, type_: pa.DataType) -> Any:
    """What Arrow made of a nested value, as objects and lists; a map is an object, the last of equal keys wins."""
    if value is None:
        return None
    if pa.types.is_struct(type_):
        return {f.name: _tree(value[f.name], f.type) for f in type_ if value[f.name] is not None}
    if pa.types.is_map(type_):
        return {key: _tree(item, type_.item_type) for key, item in value}
    if pa.types.is_list(type_):
        return [_tree(item, type_.value_type) for item in value]
    return value


def _dumps(value: Any) -> str:
    return orjson.dumps(value, default=json_value, option=_OPTIONS).decode()
