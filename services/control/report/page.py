"""Facts → one self-contained HTML page: no script, no address outside it, everything from the drop escaped."""

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from services.contracts.manifest import Counts, Figures, UnusableTime
from services.contracts.tables import TIMESTAMP_SOURCES
from services.control.report import charts, numbers
from services.control.report.facts import Comparison, Part, Report

_ROWS_SHOWN = 20
_MOVERS_SHOWN = 8
_YEARS_SHOWN = 8


class Kind(NamedTuple):
    """How a figure is named and written."""

    label: str
    meaning: str
    spell: Callable[[float | None], str]


KINDS = {
    "raw_bytes": Kind("Drop size", "bytes of the source files", numbers.size),
    "raw_rows": Kind("Raw rows", "rows that could be read", numbers.count),
    "clean_rows": Kind("Clean rows", "events, re-sends merged", numbers.count),
    "duplicate_ratio": Kind("Re-sends", "of raw rows, merged into another", numbers.percent),
    "invalid_timestamp_ratio": Kind("Invalid times", "of raw rows, first time given was unusable", numbers.percent),
    "missing_timestamp_ratio": Kind("Missing times", "of raw rows, no time given", numbers.percent),
    "valid_timestamp_coverage": Kind("Events with a time", "of clean rows", numbers.percent),
    "missing_event_id_ratio": Kind("No EventId", "of raw rows", numbers.percent),
    "ev_unparsable_ratio": Kind("Unreadable ev", "of raw rows", numbers.percent),
    "error_ratio": Kind("Errors", "of clean rows, error or critical", numbers.percent),
    "event_id_conflicts": Kind("EventId conflicts", "merged by EventId, contents differ", numbers.count),
}
_FOUND_AS = {"event_id_conflicts": "event_id_conflict_ratio"}
"""Rules look at some figures under another name: per row, so that a larger drop is no finding."""
_TILES = ("raw_rows", "clean_rows", "raw_bytes", "error_ratio", "duplicate_ratio", "invalid_timestamp_ratio")
_TRENDS = (
    "raw_bytes",
    "error_ratio",
    "duplicate_ratio",
    "invalid_timestamp_ratio",
    "missing_timestamp_ratio",
    "ev_unparsable_ratio",
)


def page(report: Report) -> str:
    """The whole page."""
    faults = _clock_faults(report.unusable_times)
    template = _environment().get_template("page.html")
    text = template.render(
        report=report,
        css=Markup(files(__package__).joinpath("page.css").read_text()),  # noqa: S704  (the page's own)
        kinds=KINDS,
        comparisons={c.figure: c for c in report.comparisons},
        severities=_severities(report),
        tiles=_TILES,
        trends=[_trend(report, name) for name in _TRENDS] if len(report.history) > 1 else [],
        funnel=_funnel(report),
        faults=faults,
        fault_kinds=[(f"kind{place}", name) for place, name in enumerate(TIMESTAMP_SOURCES)],
        no_times=sum(time.rows for time in report.unusable_times if time.year is None),
        time_sources=(*TIMESTAMP_SOURCES, "none"),
        parts={"product": _parts(report.products), "source file": _parts(report.files)},
        moved_rows=_moved(report, lambda counts: counts.raw_rows),
        moved_errors=_moved(report, lambda counts: counts.errors),
        shown=_ROWS_SHOWN,
    )
    return text.strip() + "\n"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "charts": charts,
        "change": _change,
        "figures_of": Figures.of,
        "dash": numbers.NONE,
        "compact": numbers.compact,
    }
    for name in ("count", "size", "percent", "seconds", "money", "signed", "points", "relative"):
        made.filters[name] = getattr(numbers, name)
    return made


def _severities(report: Report) -> dict[str, str]:
    """Severity by the name under which the page has what a rule found."""
    flagged = report.history[-1].flagged
    return {name: flagged[found] for name in KINDS if (found := _FOUND_AS.get(name, name)) in flagged}


def _change(comparison: Comparison) -> str:
    """The week against the one before: shares in points, numbers relative."""
    now, before = comparison.now, comparison.previous
    if now is None or before is None:
        return numbers.NONE
    if KINDS[comparison.figure].spell is numbers.percent:
        return numbers.points(now - before)
    if comparison.figure == "event_id_conflicts":
        return numbers.signed(now - before)
    return numbers.relative(now, before)


def _trend(report: Report, name: str) -> dict[str, Any]:
    compared = next(c for c in report.comparisons if c.figure == name)
    kind = KINDS[name]
    band = report.ordinary_bytes if name == "raw_bytes" else None
    spell = numbers.short_percent if kind.spell is numbers.percent else kind.spell
    drawn = charts.trend(
        f"{kind.label} over {len(report.history)} weeks",
        [week.week for week in report.history],
        compared.trend,
        spell,
        median=compared.median,
        limits=band,
        flagged=[week.flagged.get(_FOUND_AS.get(name, name)) for week in report.history],
    )
    half = f"{(band[1] - band[0]) / (band[1] + band[0]):.0%}".replace("%", "\u202f%") if band else ""
    return {
        "name": name,
        "chart": drawn,
        "meaning": f"shaded: ±{half} of the last ordinary week" if band else kind.meaning,
    }


class _Step(NamedTuple):
    """A stop of the funnel, or what is lost on the way to the next."""

    name: str
    rows: int
    share: float
    lost: bool


def _funnel(report: Report) -> list[_Step]:
    ledger = report.ledger
    whole = ledger.get("source_rows", 0)
    names = (
        ("source_rows", "In the drop", False),
        ("quarantined_rows", "quarantined", True),
        ("raw_rows", "Raw rows", False),
        ("resends", "re-sends merged", True),
        ("clean_rows", "Clean events", False),
    )
    return [
        _Step(label, ledger[term], ledger[term] / whole if whole else 0.0, lost)
        for term, label, lost in names
        if term in ledger
    ]


def _clock_faults(times: tuple[UnusableTime, ...]) -> dict[str, dict[str, int]]:
    """Rows by the year that was claimed, then by candidate: the most frequent years, and the others as one."""
    claimed = [(time, time.year) for time in times if time.year is not None]
    by_year = Counter[int]()
    for time, year in claimed:
        by_year[year] += time.rows
    shown = {year for year, _ in by_year.most_common(_YEARS_SHOWN)}
    rows: dict[str, dict[str, int]] = {str(year): {} for year in sorted(shown)}
    for time, year in claimed:
        of_label = rows.setdefault(str(year) if year in shown else "other", {})
        of_label[time.candidate] = of_label.get(time.candidate, 0) + time.rows
    return rows


class _Shown(NamedTuple):
    """The largest parts, and the others as one."""

    parts: tuple[Part, ...]
    others: int
    other_rows: int
    most: int


def _parts(parts: tuple[Part, ...]) -> _Shown:
    there = tuple(part for part in parts if part.now)
    rest = there[_ROWS_SHOWN:]
    rows = [part.now.raw_rows for part in there if part.now]
    return _Shown(there[:_ROWS_SHOWN], len(rest), sum(rows[_ROWS_SHOWN:]), max(rows, default=0))


class _Mover(NamedTuple):
    """A product that moved, by how much, and its part in the sum of all movements."""

    part: Part
    now: int
    before: int
    share: float


def _moved(report: Report, of: Callable[[Counts], int]) -> list[_Mover]:
    """The products that moved most; none where no week came before."""
    if not (report.columns and report.columns.against):
        return []
    moved = [(part, of(part.now or Counts()), of(part.before or Counts())) for part in report.products]
    largest = sorted((m for m in moved if m[1] != m[2]), key=lambda m: (-abs(m[1] - m[2]), m[0].name))
    most = abs(largest[0][1] - largest[0][2]) if largest else 1
    return [_Mover(part, now, before, (now - before) / most) for part, now, before in largest[:_MOVERS_SHOWN]]
