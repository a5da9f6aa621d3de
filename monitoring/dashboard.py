"""The dashboard: the state of the data at a glance, then where it comes from. Read it top to bottom, as it is seen."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from services.judgement.rules import RULES
from services.runtime.gauges import STATUSES

UID = "eventlog"
_WIDTH = 24
_JOB = 'job="$job"'
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_GREEN, _BLUE, _ORANGE, _RED = "green", "blue", "orange", "red"


class Query(NamedTuple):
    """PromQL and how its series are called; instant: only the newest value."""

    expr: str
    legend: str
    instant: bool = False


class Panel(NamedTuple):
    """One panel; `options` and `field` are Grafana's own words."""

    title: str
    description: str
    kind: Literal["stat", "timeseries", "bargauge", "table"]
    queries: Sequence[Query]
    unit: str
    width: int
    height: int = 8
    field: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}
    overrides: Sequence[dict[str, Any]] = ()
    transformations: Sequence[dict[str, Any]] = ()


class Row(NamedTuple):
    """A title with panels below it."""

    title: str
    panels: Sequence[Panel]


def dashboard() -> dict[str, Any]:
    """The dashboard's JSON model."""
    return {
        "uid": UID,
        "title": "Event log: data quality",
        "description": "Weekly drops of device event logs: what came, what became of it, and what deserves a look.",
        "tags": ["eventlog"],
        "timezone": "utc",
        "editable": False,
        "graphTooltip": 1,
        "schemaVersion": 39,
        "version": 1,
        "refresh": "1m",
        "time": {"from": "now-26w", "to": "now"},
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "links": [],
        "panels": _placed(ROWS),
    }


def _variables() -> list[dict[str, Any]]:
    def of_labels(name: str, label: str, query: str, current: str) -> dict[str, Any]:
        return {
            "name": name,
            "label": label,
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
            "current": {"text": current, "value": current},
        }

    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        of_labels("job", "Job", "label_values(eventlog_run_info, job)", "eventlog"),
        of_labels("figure", "Figure by pn", "label_values(eventlog_pn_ratio, figure)", "duplicate_ratio"),
    ]


def _steps(*steps: tuple[float | None, str]) -> dict[str, Any]:
    return {"thresholds": {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in steps]}}


def _limit(figure: str, name: str) -> Query:
    [rule] = [rule for rule in RULES if rule.figure == figure and rule.against != "history"]
    expr = f'max(eventlog_threshold{{{_JOB}, rule="{rule.name}", figure="{figure}"}})'
    return Query(expr, name)


def _dashed(name: str) -> dict[str, Any]:
    style = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}}
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [style, {"id": "color", "value": {"mode": "fixed", "fixedColor": _RED}}],
    }


def _ratio(title: str, description: str, figure: str, *, limited: bool) -> Panel:
    queries = [Query(f"max(eventlog_{figure}{{{_JOB}}})", "week")]
    if limited:
        queries.append(_limit(figure, "limit"))
    return Panel(
        title,
        description,
        "timeseries",
        queries,
        "percentunit",
        6,
        field={"min": 0, **_STEPPED},
        overrides=[_dashed("limit")] if limited else [],
    )


# A figure holds from one week's run to the next.
_STEPPED = {"custom": {"lineInterpolation": "stepAfter", "lineWidth": 2, "fillOpacity": 8, "showPoints": "never"}}
_STATES = "succeeded", "running", "waiting", "failed"
assert set(_STATES) == set(STATUSES)
_STATE = " + ignoring (status) ".join(
    f'eventlog_status{{{_JOB}, status="{name}"}} * {number}' for number, name in enumerate(_STATES)
)
_STATE_COLOURS = (_GREEN, _BLUE, _ORANGE, _RED)
_MAPPED = [
    {
        "type": "value",
        "options": {
            str(number): {"text": name, "color": colour, "index": number}
            for number, (name, colour) in enumerate(zip(_STATES, _STATE_COLOURS, strict=True))
        },
    }
]
_NEWEST = {"reduceOptions": {"calcs": ["lastNotNull"], "values": False, "fields": ""}}
_BARS = {**_NEWEST, "orientation": "horizontal", "displayMode": "gradient", "showUnfilled": True}
_SIZE = f"max(eventlog_raw_bytes_previous{{{_JOB}}})"
_SIZE_ROOM = f'max(eventlog_threshold{{{_JOB}, rule="raw_size", figure="raw_bytes"}})'

ROWS = (
    Row(
        "Now",
        (
            Panel(
                "Last run",
                "How the last run of each stage, and of the workflow around them, went.",
                "stat",
                [Query(f"max by (stage) ({_STATE})", "{{stage}}", instant=True)],
                "none",
                10,
                5,
                field={"mappings": _MAPPED},
                options={**_NEWEST, "textMode": "value_and_name", "colorMode": "background", "graphMode": "none"},
            ),
            Panel(
                "Newest week published",
                "Date of the newest week that has gone through all stages.",
                "stat",
                [Query(f"1000 * min(eventlog_published_week_timestamp_seconds{{{_JOB}}})", "week", instant=True)],
                "dateTimeAsIsoNoDateIfToday",
                4,
                5,
                options={**_NEWEST, "graphMode": "none"},
            ),
            Panel(
                "Found in it",
                "Rules that the week breaks, those that were accepted left out.",
                "stat",
                [Query(f"sum(eventlog_finding{{{_JOB}}})", "findings", instant=True)],
                "none",
                3,
                5,
                field=_steps((None, _GREEN), (1, _RED)),
                options={**_NEWEST, "colorMode": "background", "graphMode": "none"},
            ),
            Panel(
                "Weeks on record",
                "Share of the weeks that were due within a year that is published; the SLA is 99 %.",
                "stat",
                [Query(f"max(eventlog_success_ratio{{{_JOB}}})", "published", instant=True)],
                "percentunit",
                3,
                5,
                field={"decimals": 1, **_steps((None, _RED), (0.99, _GREEN))},
                options={**_NEWEST, "graphMode": "none"},
            ),
            Panel(
                "Retries",
                "Attempt of each stage's last run, from 0.",
                "stat",
                [Query(f'max by (stage) (eventlog_attempt{{{_JOB}, stage!="workflow"}})', "{{stage}}", instant=True)],
                "none",
                4,
                5,
                field=_steps((None, _GREEN), (1, _ORANGE), (2, _RED)),
                options={**_NEWEST, "graphMode": "none"},
            ),
            Panel(
                "Time against SLA",
                "Duration of the last run as a share of what it may take.",
                "bargauge",
                [
                    Query(
                        f"max by (stage) (eventlog_duration_seconds{{{_JOB}}} / on (job, stage) eventlog_sla_seconds)",
                        "{{stage}}",
                        instant=True,
                    )
                ],
                "percentunit",
                8,
                7,
                field={"min": 0, "max": 1.2, **_steps((None, _GREEN), (0.8, _ORANGE), (1, _RED))},
                options=_BARS,
            ),
            Panel(
                "Rows, from the drop to clean",
                "What became of the week's rows: source = raw + quarantined, raw = clean + re-sends.",
                "bargauge",
                [
                    Query(f'max(eventlog_rows_in{{{_JOB}, stage="ingest"}})', "source", instant=True),
                    Query(f"sum(eventlog_quarantined_rows{{{_JOB}}})", "quarantined", instant=True),
                    Query(f'max(eventlog_rows_out{{{_JOB}, stage="ingest"}})', "raw", instant=True),
                    Query(f"max(eventlog_duplicate_rows{{{_JOB}}})", "re-sends", instant=True),
                    Query(f'max(eventlog_rows_out{{{_JOB}, stage="clean"}})', "clean", instant=True),
                ],
                "short",
                8,
                7,
                field={"min": 0, **_steps((None, _BLUE))},
                options=_BARS,
            ),
            Panel(
                "What was found, and where it comes from",
                "Every rule that the newest week breaks, with the products, files and event sources behind it.",
                "table",
                [Query(f"eventlog_finding{{{_JOB}}}", "", instant=True)],
                "none",
                8,
                7,
                transformations=[
                    {
                        "id": "filterByValue",
                        "options": {
                            "type": "include",
                            "match": "all",
                            "filters": [{"fieldName": "Value", "config": {"id": "greater", "options": {"value": 0}}}],
                        },
                    },
                    {
                        "id": "organize",
                        "options": {
                            "excludeByName": dict.fromkeys(
                                ("Time", "Value", "__name__", "instance", "job", "figure", "stage"), True
                            ),
                            "indexByName": {"week": 0, "rule": 1, "cause": 2},
                        },
                    },
                ],
            ),
        ),
    ),
    Row(
        "Over the weeks",
        (
            Panel(
                "Size of the drop against the one before",
                "Bytes of the source files; outside the band around the previous drop an alert fires.",
                "timeseries",
                [
                    Query(f"max(eventlog_raw_bytes{{{_JOB}}})", "this drop"),
                    Query(_SIZE, "the drop before"),
                    Query(f"{_SIZE} * (1 + {_SIZE_ROOM})", "most"),
                    Query(f"{_SIZE} * (1 - {_SIZE_ROOM})", "least"),
                ],
                "bytes",
                12,
                field={"min": 0, **_STEPPED},
                overrides=[_dashed("most"), _dashed("least")],
            ),
            Panel(
                "Rows of each week",
                "Rows that were published in raw and clean.",
                "timeseries",
                [Query(f'max by (stage) (eventlog_rows_out{{{_JOB}, stage=~"ingest|clean"}})', "{{stage}}")],
                "short",
                12,
                field={"min": 0, **_STEPPED},
            ),
            _ratio("Re-sends", "Share of raw rows that are re-sends of another.", "duplicate_ratio", limited=True),
            _ratio(
                "Invalid timestamps",
                "Share of raw rows whose first timestamp is unusable.",
                "invalid_timestamp_ratio",
                limited=True,
            ),
            _ratio(
                "Missing timestamps",
                "Share of raw rows without any timestamp.",
                "missing_timestamp_ratio",
                limited=True,
            ),
            _ratio("Errors", "Share of clean rows that are errors.", "error_ratio", limited=False),
            _ratio("Unreadable ev", "Share of raw rows whose ev cannot be read.", "ev_unparsable_ratio", limited=True),
            _ratio("No EventId", "Share of raw rows without an EventId.", "missing_event_id_ratio", limited=False),
            Panel(
                "EventId conflicts",
                "Groups merged by EventId whose payloads differ: real repeats that were merged.",
                "timeseries",
                [Query(f"max(eventlog_event_id_conflicts{{{_JOB}}})", "groups")],
                "short",
                6,
                field={"min": 0, **_STEPPED},
            ),
            Panel(
                "Quarantine",
                "Rows that ingest refused, by reason, and bad files that were left out.",
                "timeseries",
                [
                    Query(f"max by (reason) (eventlog_quarantined_rows{{{_JOB}}})", "{{reason}}"),
                    Query(f"max(eventlog_skipped_files{{{_JOB}}})", "files left out"),
                ],
                "short",
                6,
                field={"min": 0, **_STEPPED},
            ),
        ),
    ),
    Row(
        "Where it comes from",
        (
            Panel(
                "$figure by product",
                "The chosen figure of each of the largest products.",
                "timeseries",
                [Query(f'max by (pn) (eventlog_pn_ratio{{{_JOB}, figure="$figure"}})', "{{pn}}")],
                "percentunit",
                12,
                field={"min": 0, **_STEPPED},
            ),
            Panel(
                "Rows by product",
                "Raw rows of the largest products of the newest week.",
                "bargauge",
                [Query(f"sort_desc(max by (pn) (eventlog_pn_rows{{{_JOB}}}))", "{{pn}}", instant=True)],
                "short",
                6,
                field={"min": 0, **_steps((None, _BLUE))},
                options=_BARS,
            ),
            Panel(
                "Times by source and status",
                "Which of the four places gave the time of an event, and whether it was the first choice.",
                "bargauge",
                [
                    Query(
                        f"sort_desc(max by (source, status) (eventlog_timestamp_rows{{{_JOB}}}) > 0)",
                        "{{source}} {{status}}",
                        instant=True,
                    )
                ],
                "short",
                6,
                field={"min": 0, **_steps((None, _BLUE))},
                options=_BARS,
            ),
        ),
    ),
    Row(
        "Runs",
        (
            Panel(
                "Duration",
                "Wall time of each stage's last run, and of the workflow around them.",
                "timeseries",
                [Query(f"max by (stage) (eventlog_duration_seconds{{{_JOB}}})", "{{stage}}")],
                "s",
                8,
                field={"min": 0, **_STEPPED},
            ),
            Panel(
                "Peak memory",
                "Of the run that published; a stage plans with its container's limit, at most 1 GiB.",
                "timeseries",
                [Query(f"max by (stage) (eventlog_peak_memory_bytes{{{_JOB}}})", "{{stage}}")],
                "bytes",
                8,
                field={"min": 0, **_STEPPED},
            ),
            Panel(
                "Written",
                "Bytes of all files that are published.",
                "timeseries",
                [Query(f"max by (stage) (eventlog_output_bytes{{{_JOB}}})", "{{stage}}")],
                "bytes",
                8,
                field={"min": 0, **_STEPPED},
            ),
            Panel(
                "CPU time",
                "Of the run that published, over all its cores.",
                "timeseries",
                [Query(f"max by (stage) (eventlog_cpu_seconds{{{_JOB}}})", "{{stage}}")],
                "s",
                8,
                field={"min": 0, **_STEPPED},
            ),
            Panel(
                "Devices",
                "Devices that have features.",
                "timeseries",
                [Query(f"max(eventlog_devices{{{_JOB}}})", "devices")],
                "short",
                8,
                field={"min": 0, **_STEPPED},
            ),
            Panel(
                "Flagged weeks",
                "What the last workflow found in each of the newest 52 weeks, by number.",
                "bargauge",
                [Query(f"sort_desc(max by (week) (eventlog_week_flags{{{_JOB}}}))", "{{week}}", instant=True)],
                "none",
                8,
                field={"min": 0, **_steps((None, _GREEN), (1, _RED))},
                options=_BARS,
            ),
        ),
    ),
)


def _placed(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Panels side by side until a line is full, with ids in their order."""
    placed: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        placed.append(_row(row, len(placed) + 1, top))
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > _WIDTH:
                top, left, tallest = top + tallest, 0, 0
            placed.append(_panel(panel, len(placed) + 1, {"x": left, "y": top, "w": panel.width, "h": panel.height}))
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return placed


def _row(row: Row, number: int, top: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": _WIDTH, "h": 1}
    return {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, **panel.field}, "overrides": list(panel.overrides)},
        "options": panel.options,
        "transformations": list(panel.transformations),
        "targets": [_target(query, chr(ord("A") + n), panel.kind) for n, query in enumerate(panel.queries)],
    }


def _target(query: Query, ref: str, kind: str) -> dict[str, Any]:
    return {
        "refId": ref,
        "datasource": _SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend,
        "instant": query.instant,
        "range": not query.instant,
        "format": "table" if kind == "table" else "time_series",
    }
