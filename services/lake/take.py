"""Rows in another order: by the native kernel text is copied once, however many batches it comes in."""

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
        texts: dict[str, pa.Array] = {}
        if kernel:
            names = [field.name for field in rows.schema if pa.types.is_string(field.type)]
            batches = rows.select(names).to_batches()
            if names and batches:
                taken = kernel.take_strings(batches, wanted)
                texts = {name: column.view(pa.string()) for name, column in zip(names, taken, strict=True)}
        # Column by column: all of them in one chunk first would be as much memory again, and fetching it takes a while.
        others = rows.unify_dictionaries()
        columns = [
            texts[name] if name in texts else others[name].combine_chunks().take(wanted) for name in rows.column_names
        ]
        return pa.Table.from_arrays(columns, schema=rows.schema)

    return take
