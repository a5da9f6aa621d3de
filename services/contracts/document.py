"""The data dictionary, `docs/data.md`: made from the contract's own tables, so that it cannot say anything else.

`python -m services.contracts.document` prints it.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from services.contracts import CONTRACT_VERSION, manifest
from services.contracts.source import REQUIRED
from services.contracts.tables import QUARANTINE_REASONS, TABLES, TIMESTAMP_SOURCES, Table


class SourceColumn(NamedTuple):
    """What the contract makes of one column of a drop."""

    name: str
    accepted: str
    becomes: str


SOURCE_COLUMNS = (
    SourceColumn("service_tag", "string", "The device, trimmed."),
    SourceColumn("cat", "string", "As it is."),
    SourceColumn(
        "ev",
        "string; binary; struct or map without binary and decimal children",
        "JSON text: a string as it is, binary as text, a struct or map as its canonical JSON (null fields left out).",
    ),
    SourceColumn("pn", "string or integer; may be missing", "The partition, trimmed; null or blank is `UNKNOWN`."),
    SourceColumn(
        "ts",
        "string; timestamp or date; integer or float; may be missing",
        "Text: times as `YYYY-MM-DDTHH:MM:SS[.f]Z` (no zone is UTC), numbers as their shortest decimal; "
        "NaN and ±inf are null.",
    ),
    SourceColumn(
        "eventdate",
        "integer; float; timestamp; string of digits; may be missing",
        "Nanoseconds since 1970, UTC. What is not integral, not a number or beyond 64 bits is null and counted.",
    ),
    SourceColumn(
        "any other",
        "any type",
        "Kept under its type; as JSON text where the drop's files disagree on the type. "
        "`week`, `source_file` and `source_row` become `source_<name>`.",
    ),
)

QUARANTINE_MEANINGS = {
    "bad_utf8": "A string that is not UTF-8: one such row would break every reader.",
    "no_service_tag": "No device: null or blank.",
    "bad_pn": "A pn that cannot name a folder: `.`, `..`, a control character, or over 200 bytes once encoded.",
}


class TimeForm(NamedTuple):
    """A spelling of a time; the examples are tried by a test."""

    example: str
    utc: str
    rule: str


TIME_FORMS = (
    TimeForm("2024-05-08", "2024-05-08T00:00:00Z", "ISO 8601 date."),
    TimeForm("2024-05-08T10:00", "2024-05-08T10:00:00Z", "ISO 8601, `T`, `t` or a blank; no zone is UTC."),
    TimeForm(
        "2024-05-08 10:00:00,123456789 +05:30",
        "2024-05-08T04:30:00.123456Z",
        "Fraction of 1 to 9 digits, below µs cut off; zone `Z`, `±HH`, `±HHMM`, `±HH:MM`.",
    ),
    TimeForm("20240508T100000Z", "2024-05-08T10:00:00Z", "ISO 8601 basic; eight digits alone are a number."),
    TimeForm("1715162400", "2024-05-08T10:00:00Z", "Integer, JSON number or string: below 1e11 seconds,"),
    TimeForm("1715162400123", "2024-05-08T10:00:00.123Z", "below 1e14 milliseconds,"),
    TimeForm("1715162400123456", "2024-05-08T10:00:00.123456Z", "below 1e17 microseconds,"),
    TimeForm("1715162400123456789", "2024-05-08T10:00:00.123456Z", "else nanoseconds. `eventdate` always is."),
    TimeForm("1715162400.5", "2024-05-08T10:00:00.5Z", "Float: the same limits, rounded to µs, half to even."),
    TimeForm("/Date(1715162400000+0530)/", "2024-05-08T10:00:00Z", "Milliseconds; the offset is display only."),
    TimeForm("20240508100000.123456+480", "2024-05-08T02:00:00.123456Z", "WMI: local time, offset in minutes."),
    TimeForm("5/8/2024, 1:00:30 PM", "2024-05-08T13:00:30Z", "Month first (`EVENTLOG_DAY_FIRST` turns it)."),
    TimeForm("2024/5/8 10:00", "2024-05-08T10:00:00Z", "Year first, with the same times."),
)

FIGURES = {
    "missing_timestamp_ratio": "raw rows with status `missing` / raw rows",
    "invalid_timestamp_ratio": "raw rows with status `fallback` or `invalid` / raw rows",
    "valid_timestamp_coverage": "clean rows with a valid_timestamp / clean rows",
    "missing_event_id_ratio": "raw rows with no EventId present, for whatever reason / raw rows",
    "ev_unparsable_ratio": "raw rows with an ev_status other than `ok` and `null` / raw rows",
    "duplicate_ratio": "re-sends dropped / raw rows",
    "error_ratio": "clean rows that are errors / clean rows",
    "event_id_conflicts": "groups of two or more rows merged by EventId whose contents differ: the sign that EventId "
    "is a type of event and not an identity, and that real repeats are being merged",
    "raw_bytes": "bytes of the drop's source files",
    "raw_bytes_previous": "the same of the newest earlier week; null where there is none",
}


def data_dictionary() -> str:
    """docs/data.md, as Markdown."""
    parts = [
        _head(),
        _source(),
        *(_table(table) for table in TABLES),
        _times(),
        _identity(),
        _figures(),
        _manifest(),
    ]
    return "\n".join(parts)


def _head() -> str:
    return f"""# Data dictionary

Data contract version {CONTRACT_VERSION}. Printed by `python -m services.contracts.document`; do not edit.

`week` and `pn` are in the path, never columns of a partitioned file. `W` is the drop's folder name, `YYYY-MM-DD`; `P`
is the pn, percent-encoded byte by byte (all but `A-Za-z0-9_.~-`). Files are Parquet with zstd; the key-value metadata
`eventlog.contract` and `eventlog.generation` say under which contract and in which generation a file was made.
Text sorts by its UTF-8 bytes. A partition that has no rows any more is a file without rows.
"""


def _source() -> str:
    rows = [(f"`{c.name}`", "yes" if c.name in REQUIRED else "no", c.accepted, c.becomes) for c in SOURCE_COLUMNS]
    return f"""## Source: what a drop may hold

`<source>/W/*.parquet`, names that begin with `_` or `.` left out. All string forms (large, view, dictionary) and
all-null columns are fine; column order does not matter. A missing required column, another type, or two columns that
differ only in case make a file bad; every fault of every file is named at once.

{_markdown(("column", "required", "accepted", "becomes in raw"), rows)}"""


def _table(table: Table) -> str:
    rows = [(f"`{c.name}`", _type(c.type), "yes" if c.nullable else "no", c.meaning) for c in table.columns]
    text = f"""## {table.name}

`{table.files}` · {table.rows}
Sorted by {", ".join(table.order)}.

{_markdown(("column", "Arrow type", "null", "meaning"), rows)}"""
    if table.name == "raw":
        text += "\nEvery other column of the drop follows `eventdate`, sorted by name.\n"
    if table.name == "quarantine":
        reasons = [(f"`{reason}`", QUARANTINE_MEANINGS[reason]) for reason in QUARANTINE_REASONS]
        text += f"\n{_markdown(('reason', 'meaning'), reasons)}"
    return text


def _times() -> str:
    rows = [(f"`{form.example}`", f"`{form.utc}`", form.rule) for form in TIME_FORMS]
    return f"""## When an event happened

`valid_timestamp` is the first valid one of {", ".join(f"`{name}`" for name in TIMESTAMP_SOURCES)}. A candidate is
present when it is there, not null and not a blank string; it is valid when it has one of these forms and lies within
[week − 400 days, week + 8 days], both ends included (settings). White space around is ignored. Everything else is
unusable; nothing is guessed.

{_markdown(("form", "is", "rule"), rows)}"""


def _identity() -> str:
    return """## When two rows are one event

`event_key` is, where `ev.TimeStamp` is present, the XXH3-128 (32 hex digits, seed 0) of the canonical JSON of `ev`
without its volatile top-level fields (`EVENTLOG_VOLATILE_FIELDS`); else `ev.EventId`; else null. Canonical JSON is
`orjson.dumps(orjson.loads(ev), option=OPT_SORT_KEYS)`. Rows of one service_tag with the same key are one event, over
the whole week and all pn together; the row with the smallest (valid_timestamp, pn is UNKNOWN, source_file, source_row)
stays, in its own partition, and counts the others in `copies`. Rows without a valid_timestamp or a key are never
merged.
"""


def _figures() -> str:
    rows = [(f"`{name}`", meaning) for name, meaning in FIGURES.items()]
    return f"""## Figures

In the manifests, the metrics (`eventlog_<figure>`) and the report; 0 where the denominator is 0. Each but
`raw_bytes_previous` can be a gate (`EVENTLOG_GATE_<FIGURE>`): a maximum, for `valid_timestamp_coverage` a minimum.

{_markdown(("figure", "is"), rows)}

A published week is judged by these and by two more: rows in quarantine per source row, and `event_id_conflicts` per raw
row. [monitoring.md](monitoring.md) says how, and lists the metrics and alerts.
"""


def _manifest() -> str:
    source = ast.parse(Path(manifest.__file__).read_text())
    classes = [node for node in source.body if isinstance(node, ast.ClassDef)]
    classes.sort(key=lambda node: node.name != "Manifest")
    parts = "\n".join(
        f"### {node.name}\n\n{_one_line(ast.get_docstring(node) or '')}\n\n{''.join(_fields(node))}" for node in classes
    )
    return f"""## Manifests

`_control/<stage>/week=W/manifest.json`, of feature `_control/feature/manifest.json`: what is published, written last.
A reader that finds the same etags in the manifest before and after reading has seen one state. Ledgers: source rows =
raw + quarantined + erased; raw rows = clean rows + re-sends.

`_control/erasures.json` names the devices that were erased (`eventlog erase`), by a hash under the lake's own salt, and
by week the drops that are known not to hold them. Ingest leaves these devices out of every other drop.

{parts}"""


def _fields(node: ast.ClassDef) -> Iterator[str]:
    """A line for each field of a dataclass, with its docstring where it has one."""
    for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign):
            said = following.value if isinstance(following, ast.Expr) else None
            meaning = f": {_one_line(str(said.value))}" if isinstance(said, ast.Constant) else ""
            yield f"- `{ast.unparse(statement.target)}` {ast.unparse(statement.annotation)}{meaning}\n"


def _type(type_: pa.DataType) -> str:
    return "dictionary of string" if pa.types.is_dictionary(type_) else str(type_)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(data_dictionary())
