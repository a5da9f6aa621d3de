"""Results as people read them in a terminal, and as machines read them in a pipe; both on stdout."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Literal

import orjson
from rich.console import Console, RenderableType
from rich.table import Table

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"
_WIDTH_OF_A_PIPE = 160
"""Columns where no terminal says how many: wide enough that no table is cut."""


def emit(*parts: RenderableType) -> None:
    """Write tables and texts to stdout."""
    terminal = sys.stdout.isatty()
    seen = os.get_terminal_size(sys.stdout.fileno()).columns if terminal else 0  # of some terminals it is 0 too
    width = max([seen or _WIDTH_OF_A_PIPE, *(_uncut(part) for part in parts if isinstance(part, Table))])
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=width, markup=False, highlight=False, emoji=False)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
    _write("\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n")


def emit_json(document: object) -> None:
    """Write one JSON document to stdout."""
    _write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())


def table(title: str | None, *columns: str, left: Sequence[str] = (), prose: Sequence[str] = ()) -> Table:
    """A table whose columns are numbers, to the right, unless they are words in `left`, or sentences in `prose`.

    Only sentences are folded where the terminal is narrow.
    """
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        justify: Literal["left", "right"] = "left" if column in (*left, *prose) else "right"
        made.add_column(column, justify=justify, overflow="fold", no_wrap=column not in prose)
    return made


def _uncut(made: Table) -> int:
    """Columns that a table needs: half a number says something else; a line that is too long the terminal breaks."""
    if not all(column.no_wrap for column in made.columns):
        return 0
    wide = Console(width=1_000)
    return wide.measure(made).maximum


def count(rows: int | None) -> str:
    return "–" if rows is None else f"{rows:,}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.2%}"


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def bar(share: float, width: int = 20) -> str:
    """A bar of block characters; what is not nothing shows."""
    eighths = min(max(round(share * width * 8), 1 if share > 0 else 0), width * 8)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def sparkline(values: Sequence[float]) -> str:
    """One character per value, between the smallest and the largest."""
    low, high = min(values, default=0), max(values, default=0)
    span = (high - low) or 1
    return "".join(_LEVELS[round((value - low) / span * (len(_LEVELS) - 1))] for value in values)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
