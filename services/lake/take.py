"""Rows in another order: by the native kernel text is copied once, however many chunks it comes in."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

Take = Callable[[pa.Table, np.ndarray], pa.Table]
"""The rows of a table at these places (int64), every column in one chunk."""


def taking(kernel: Any | None) -> Take:
    """Take with the native kernel, or without it; both give the same rows."""

    def take(rows: pa.Table, places: np.ndarray) -> pa.Table:
        wanted = pa.array(places, pa.int64())
        texts = [field.name for field in rows.schema if kernel and pa.types.is_string(field.type)]
        others = rows.drop_columns(texts).unify_dictionaries().combine_chunks().take(wanted)
        columns = [
            kernel.take_strings(rows[name].chunks, wanted).view(pa.string()) if name in texts else others[name]
            for name in rows.column_names
        ]
        return pa.Table.from_arrays([_whole(column) for column in columns], schema=rows.schema)

    return take


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
