"""docs/monitoring.md: every alert and every metric, made from what fires and what is pushed."""

from collections.abc import Iterator, Sequence

from monitoring.alerts import ALERTS
from services.judgement.rules import RULES
from services.runtime.gauges import METRICS

_INTRODUCTION = """\
# Alerts and metrics

Made by `make docs` from `monitoring/` and `services/`; change it there.

A stage judges the week that it has published (`services/judgement`): against fixed limits, against the newest ordinary
drop before it, and against the median and spread (MAD) of the last 8 ordinary weeks, silent while there are fewer than
6. A figure that was found in a week stays out of its own history, so a bad week neither widens the limits nor makes the
next good one look odd. `eventlog accept --week W --reason …` says that what was found is real: its alerts end, the week
counts as ordinary, and later weeks like it are ordinary too. A limit that no longer fits is a setting
(`EVENTLOG_ALERT_…`).

Each finding is logged and pushed with what it comes from, such as `72 % of the rise comes from pn=L5, 70 % from
file=part-003.parquet`. The shares are exact for ratios (a ratio is a sum over its parts, so its change is too); of a
drop's size the rows of each part are told, and what they do not explain is the size of a row.
"""


def document() -> str:
    """The whole file."""
    found = {rule.name: rule for rule in RULES}
    limits = [(rule.name, rule.figure, _AGAINST[rule.against]) for rule in found.values() if rule.name != "unusual"]
    limits.append(("unusual", "each of these figures, and the other ratios", _AGAINST["history"]))
    parts = [
        _INTRODUCTION,
        "## Alerts\n",
        *_table(("alert", "severity", "means"), [(a.name, a.severity, a.description) for a in ALERTS]),
        "\nJobs that end in `-catchup` or `-backfill` fire none: they change the past.\n",
        "## Rules on data\n",
        *_table(("rule", "figure", "is found"), limits),
        "\n## Metrics\n",
        "All are gauges under `job` and `stage` (ingest, clean, feature; workflow: the run around them).\n",
        *_table(("metric", "is"), [(f"`{name}`", meaning) for name, meaning in METRICS.items()]),
    ]
    return "\n".join(parts) + "\n"


_AGAINST = {
    "limit": "above its limit",
    "previous": "too far from the newest ordinary week before",
    "history": "too many deviations from the median of the last ordinary weeks",
}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
