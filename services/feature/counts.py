"""How many events, and how bad, each device has in a row group."""

from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.contracts.severity import Severity, severity

_SEVERITIES: tuple[Severity, ...] = get_args(Severity)
_CRITICAL, _ERROR, _WARNING = (_SEVERITIES.index(name) for name in ("critical", "error", "warning"))


def severities(cat: pa.ChunkedArray) -> np.ndarray:
    """Each row's severity, as its place among all; each distinct category is judged once."""
    encoded = _encoded(cat)
    judged = [_SEVERITIES.index(severity(value)) for value in [*encoded.dictionary.to_pylist(), None]]
    return np.array(judged)[pc.fill_null(encoded.indices, len(judged) - 1).to_numpy()]


def are_errors(rows: np.ndarray) -> np.ndarray:
    """bool per severity: it is an error; critical events are errors too."""
    return (rows == _CRITICAL) | (rows == _ERROR)


def counts_by_device(tags: pa.ChunkedArray, rows: np.ndarray) -> pa.Table:
    """service_tag, events, errors, criticals and warnings, from each row's tag and severity."""
    encoded = _encoded(tags)
    kinds, devices = len(_SEVERITIES), len(encoded.dictionary)
    pairs = encoded.indices.to_numpy().astype(np.int64) * kinds + rows
    counts = np.bincount(pairs, minlength=devices * kinds).reshape(devices, kinds)
    table = pa.table(
        {
            "service_tag": encoded.dictionary,
            "events": counts.sum(axis=1),
            "errors": counts[:, _CRITICAL] + counts[:, _ERROR],
            "criticals": counts[:, _CRITICAL],
            "warnings": counts[:, _WARNING],
        }
    )
    return table.filter(pc.greater(table["events"], 0))


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    encoded = column.unify_dictionaries().combine_chunks()
    return encoded if isinstance(encoded, pa.DictionaryArray) else pa.array([], column.type)
