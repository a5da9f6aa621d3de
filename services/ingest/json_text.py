"""Arrow values → JSON text: structs that come as ev, columns of mixed type, rows for the quarantine."""

import base64
import math
from typing import Any

import orjson
import pyarrow as pa

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def json_column(column: pa.Array) -> pa.Array:
    """Each value as canonical JSON, null fields of structs left out at every level; null stays null."""
    return pa.array(
        [None if value is None else _dumps(without_nulls(value)) for value in column.to_pylist(maps_as_pydicts="lossy")],
        pa.string(),
    )


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


def without_nulls(value: Any) -> Any:
    """A nested value without the null fields of its objects."""
    match value:
        case dict():
            return {key: without_nulls(item) for key, item in value.items() if item is not None}
        case list():
            return [without_nulls(item) for item in value]
        case _:
            return value


def _dumps(value: Any) -> str:
    return orjson.dumps(value, default=json_value, option=_OPTIONS).decode()
