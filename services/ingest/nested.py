"""Columns of any type, taken apart to their leaves and put together again in plain types."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from services.contracts.source import nullable, plain

Leaf = Callable[[pa.Array], pa.Array]


def decoded(column: pa.Array) -> pa.Array:
    """A column in its plain type: without dictionaries, views and extensions at any depth."""
    kind = plain(column.type)
    return column if column.type == kind else with_leaves(column, _plain_leaf)


def with_leaves(column: pa.Array, change: Leaf) -> pa.Array:
    """The same values with each leaf changed; dictionaries and extensions are gone, and views of lists."""
    type_ = column.type
    if isinstance(type_, pa.BaseExtensionType):
        return with_leaves(column.storage, change)
    if pat.is_dictionary(type_):
        return with_leaves(column.dictionary, change).take(column.indices)
    return _nested_with_leaves(column, change) if pat.is_nested(type_) else change(column)


def _nested_with_leaves(column: pa.Array, change: Leaf) -> pa.Array:
    type_ = column.type
    mask = column.is_null() if column.null_count else None
    if pat.is_struct(type_):
        children = [with_leaves(child, change) for child in column.flatten()]
        return pa.StructArray.from_arrays(children, names=[field.name for field in type_], mask=mask)
    if pat.is_map(type_):
        offsets, keys, items = map_parts(column)
        return pa.MapArray.from_arrays(offsets, with_leaves(keys, change), with_leaves(items, change), mask=mask)
    if pat.is_fixed_size_list(type_):
        values = column.values.slice(column.offset * type_.list_size, len(column) * type_.list_size)
        values = with_leaves(values, change)
        of = pa.list_(nullable(type_.value_field, values.type), type_.list_size)
        return pa.FixedSizeListArray.from_arrays(values, type=of, mask=mask)
    offsets, values = list_parts(column)
    values = with_leaves(values, change)
    field = nullable(type_.value_field, values.type)
    if pat.is_large_list(type_) or pat.is_large_list_view(type_):
        return pa.LargeListArray.from_arrays(offsets.cast(pa.int64()), values, type=pa.large_list(field), mask=mask)
    return pa.ListArray.from_arrays(offsets, values, type=pa.list_(field), mask=mask)


def list_parts(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Where the values of each list begin, and where the last ends (int32), and the values of all.

    A null has none, and a slice of a column only its own, which a column's `offsets` and `values` do not promise.
    """
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32()), column.flatten()


def map_parts(column: pa.MapArray) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Where the entries of each map begin, and where the last ends (int32), and the keys and items of all."""
    offsets = column.offsets.to_numpy()
    first, entries = int(offsets[0]), int(offsets[-1] - offsets[0])
    return pa.array(offsets - first, pa.int32()), column.keys.slice(first, entries), column.items.slice(first, entries)


def _plain_leaf(column: pa.Array) -> pa.Array:
    return column.cast(plain(column.type))
