"""What a field says in event after event: texts as Arrow has them, and what is no text by its row."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.contracts.text import WHITE_SPACE


@dataclass(frozen=True)
class Column:
    """A field of all rows."""

    texts: pa.StringArray
    """Empty or null where there is none: a text that is not there and an empty one say the same, nothing."""
    others: dict[int, object]
    """What a row has that is neither a text nor null."""

    @cached_property
    def present(self) -> np.ndarray:
        """Whether each row's value is present, as `event_key.present` says it of one."""
        trimmed = pc.utf8_trim(self.texts, characters=WHITE_SPACE)
        there = pc.fill_null(pc.binary_length(trimmed), 0).to_numpy() > 0
        there[np.fromiter(self.others, np.int64, len(self.others))] = True
        return there


class Field:
    """A column that grows by some rows at a time.

    The values themselves would lie between what their events leave in memory, so that each further event would take
    new memory, out of the processor's cache.
    """

    def __init__(self, part: Callable[[Any], object]) -> None:
        """`part`: what is kept of a value that is neither a text nor null."""
        self._content, self._lengths, self._part = bytearray(), array("i"), part
        self._others: dict[int, object] = {}

    def add(self, values: list[Any]) -> None:
        """The next rows' values, as JSON gave them."""
        try:
            content = "".join(values).encode()
        except TypeError:  # not all are texts
            values = self._texts(values)
            content = "".join(values).encode()
        lengths = list(map(len, values))
        if len(content) > sum(lengths):  # what is not ASCII has more bytes than characters
            lengths = [len(value.encode()) for value in values]
        self._content += content
        self._lengths += array("i", lengths)  # four times as fast as to extend it by a list

    def _texts(self, values: list[Any]) -> list[str]:
        """The values, or what is kept of them, where they are texts, else empty ones; the others are kept by row."""
        parts = [value if value is None or isinstance(value, str) else self._part(value) for value in values]
        others = enumerate(parts, len(self._lengths))
        self._others.update((row, part) for row, part in others if part is not None and not isinstance(part, str))
        return [part if isinstance(part, str) else "" for part in parts]

    def column(self) -> Column:
        """All rows so far."""
        offsets = np.zeros(len(self._lengths) + 1, np.int32)
        np.cumsum(self._lengths, out=offsets[1:])
        buffers = pa.py_buffer(offsets), pa.py_buffer(self._content)
        return Column(pa.StringArray.from_buffers(len(self._lengths), *buffers), self._others)
