"""Rows in another order: text, which is most of it, is copied once, however many batches it comes in."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Take = Callable[[pa.Table, np.ndarray], pa.Table]
"""The rows of a table at these places (int64), every column in one chunk."""


def taking(kernel: Any | None) -> Take:
    """Take with the native kernel, or without it; both give the same rows."""

    def take(rows: pa.Table, places: np.ndarray) -> pa.Table:
        wanted = pa.array(places, pa.int64())
        names = [field.name for field in rows.schema if pa.types.is_string(field.type)]
        if kernel and names and rows.num_rows:
            batches = rows.select(names).to_batches()
            texts = [column.view(pa.string()) for column in kernel.take_strings(batches, wanted)]
        else:
            texts = [_take_text(rows[name], wanted) for name in names]
        others = rows.drop_columns(names).unify_dictionaries().take(wanted)
        taken = dict(zip(names, texts, strict=True)) | dict(zip(others.column_names, others.columns, strict=True))
        return pa.Table.from_arrays([taken[name] for name in rows.column_names], schema=rows.schema)

    return take


def _take_text(column: pa.ChunkedArray, wanted: pa.Array) -> pa.Array:
    """Text by views, which say where it lies: Arrow's own take wants it in one chunk, and does not take views."""
    views = column.cast(pa.string_view()).combine_chunks()
    valid = pc.is_valid(views).take(wanted).buffers()[1] if column.null_count else None
    _, where, *texts = views.buffers()
    taken = np.frombuffer(where, "V16")[views.offset :][wanted.to_numpy()]
    result = pa.Array.from_buffers(pa.string_view(), len(wanted), [valid, pa.py_buffer(taken), *texts])
    return result.cast(pa.large_string()).cast(pa.string())  # the way round looks whether it is too long
