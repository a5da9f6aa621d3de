"""Every alert: when it fires, how grave it is, and what it tells a person. The one source of all rule files.

A finding of a week is judged by the stage itself (services/judgement), against limits that are metrics too; the
rules on runs compare metrics with metrics. So nothing here holds a number of its own but how long to wait.
"""

from typing import Literal, NamedTuple

from services.judgement.rules import RULES, Severity

PAGES_NOBODY = ".+-(catchup|backfill)"
"""Jobs of older weeks: they change what is published of the past, which is no reason to call anybody."""
ANY = f'job!~"{PAGES_NOBODY}"'
RUNBOOK = "docs/operations.md"
KEEP = "1m"
"""An alert goes on for this long after its cause: a scrape that was missed neither ends it nor calls a second time."""


class Alert(NamedTuple):
    """One rule; the texts are Go templates, as Prometheus and Grafana expand them."""

    name: str
    expr: str
    """PromQL that has a sample for each thing that is wrong."""
    hold: str
    """How long it has to be true: what repairs itself calls nobody."""
    severity: Severity
    summary: str
    description: str
    group: Literal["data", "runs", "schedule"]

    @property
    def runbook(self) -> str:
        return f"{RUNBOOK}#{self.name.lower()}"


_FOUND: dict[str, tuple[str, str, str]] = {
    "raw_size": (
        "EventlogRawSize",
        "the drop's size differs from the one before",
        "The drop is much larger or smaller than the newest ordinary one before it.",
    ),
    "skipped_files": (
        "EventlogSkippedFiles",
        "bad source files were left out",
        "Ingest went on without files that it could not take (EVENTLOG_ON_BAD_FILE=skip): their rows are missing.",
    ),
    "quarantine": (
        "EventlogQuarantine",
        "many rows are in quarantine",
        "Ingest refused rows; they lie in quarantine/event_log with the reason of each.",
    ),
    "duplicates": (
        "EventlogDuplicates",
        "many rows are re-sends",
        "Devices or an uploader send the same events again; they were merged, clean data is right.",
    ),
    "invalid_times": (
        "EventlogInvalidTimes",
        "many timestamps are unusable",
        "The first timestamp of these rows is out of the window or no time at all: clocks that are off.",
    ),
    "missing_times": (
        "EventlogMissingTimes",
        "many rows have no timestamp",
        "None of the four places of a timestamp holds one.",
    ),
    "unparsable_ev": (
        "EventlogUnparsableEv",
        "ev of many rows cannot be read",
        "ev is no JSON object: cut off, in another format, too large or too deep.",
    ),
    "event_id_conflicts": (
        "EventlogEventIdConflicts",
        "rows merged by EventId differ",
        "EventId looks like a type code, not an identity: real repeats are being merged.",
    ),
    "error_jump": (
        "EventlogErrorJump",
        "the share of errors has jumped",
        "Far more of the clean rows are errors than a week before.",
    ),
    "unusual": (
        "EventlogUnusual",
        "{{ $labels.figure }} is unusual",
        "The figure is far from its median over the last ordinary weeks; `eventlog accept` says that it is real.",
    ),
}
"""By rule of services/judgement: the alert's name, its summary, and what it means."""


def _of_data() -> list[Alert]:
    rules = {rule.name: rule for rule in RULES}
    return [
        Alert(
            name,
            f'eventlog_finding{{rule="{rule}", {ANY}}} == 1',
            "0m",
            rules[rule].severity,
            f"Week {{{{ $labels.week }}}}: {summary}; {{{{ $labels.cause }}}}",
            description,
            "data",
        )
        for rule, (name, summary, description) in _FOUND.items()
    ]


def _with(condition: str, *infos: str) -> str:
    """The condition's samples with labels of info metrics, such as `run_info(week)`."""
    joined = f"({condition})"
    for info in infos:
        name, _, label = info.partition("/")
        joined += f" * on (job, stage) group_left ({label}) eventlog_{name}"
    return joined


def _threshold(rule: str) -> str:
    return f'on (job) group_left () max by (job) (eventlog_threshold{{rule="{rule}"}})'


def _over_sla(stage: str) -> str:
    """Seconds of runs that took or take longer than they may; a run whose workflow has ended does not run any more."""
    chosen = f"{stage}, {ANY}"
    ended = f"eventlog_duration_seconds{{{chosen}}} > on (job, stage) eventlog_sla_seconds"
    running = f"time() - eventlog_run_start_timestamp_seconds{{{chosen}}} > on (job, stage) eventlog_sla_seconds"
    says_so = 'on (job, stage) eventlog_status{status="running"} == 1'
    over = 'on (job) eventlog_status{stage="workflow", status="running"} == 0'
    return f"({ended}) or ({running} and {says_so} unless {over})"


_STAGES, _WORKFLOW = 'stage!="workflow"', 'stage="workflow"'
_FAILED = f'eventlog_status{{status="failed", {_STAGES}, {ANY}}} == 1'
_UNPUBLISHED = (
    f"time() - bottomk by (job) (1, min by (job, week) (eventlog_published_week_timestamp_seconds{{{ANY}}})) "
    f"> {_threshold('unpublished')}"
)

ALERTS: tuple[Alert, ...] = (
    *_of_data(),
    Alert(
        "EventlogNotJudged",
        _with(f"eventlog_judged{{{ANY}}} == 0", "run_info/week"),
        "1m",
        "warning",
        "Week {{ $labels.week }}: its data could not be judged after {{ $labels.stage }}",
        "The week is published, but nobody has looked at its figures: the log says what could not be read.",
        "data",
    ),
    Alert(
        "EventlogStageFailed",
        _with(_FAILED, "run_info/week", "failure_info/reason"),
        "2m",
        "critical",
        "Week {{ $labels.week }}: {{ $labels.stage }} failed; {{ $labels.reason }}",
        "The stage ended badly and no retry has begun since. What was published before is still there.",
        "runs",
    ),
    Alert(
        "EventlogStageOverSla",
        _with(_over_sla(_STAGES), "run_info/week"),
        "0m",
        "warning",
        "Week {{ $labels.week }}: {{ $labels.stage }} takes longer than it may, {{ $value | humanizeDuration }} so far",
        "The stage took longer than its SLA (EVENTLOG_SLA_…_SECONDS), still runs, or was killed without a word.",
        "runs",
    ),
    Alert(
        "EventlogTooManyAttempts",
        _with(
            f"eventlog_attempt{{{_STAGES}, {ANY}}} >= {_threshold('attempts')} "
            'unless on (job, stage) eventlog_status{status="failed"} == 1 '
            f'unless on (job) eventlog_status{{{_WORKFLOW}, status="failed"}} == 1',
            "run_info/week",
        ),
        "0m",
        "warning",
        "Week {{ $labels.week }}: {{ $labels.stage }} needed attempt {{ $value }} (from 0)",
        "A retry is ordinary, several are not: memory that does not suffice, a store in trouble.",
        "runs",
    ),
    Alert(
        "EventlogWorkflowFailed",
        _with(
            f'eventlog_status{{{_WORKFLOW}, status="failed", {ANY}}} == 1 unless on (job) {_FAILED}',
            "run_info/run_id",
            "failure_info/reason",
        ),
        "0m",
        "critical",
        "Run {{ $labels.run_id }} failed; {{ $labels.reason }}",
        "It ended badly and no stage of the newest week says why: an older week, a plan, or what never started.",
        "runs",
    ),
    Alert(
        "EventlogWorkflowOverSla",
        _with(_over_sla(_WORKFLOW), "run_info/run_id"),
        "0m",
        "warning",
        "Run {{ $labels.run_id }} takes longer than it may, {{ $value | humanizeDuration }} so far",
        "The whole workflow took longer than its SLA (EVENTLOG_SLA_WORKFLOW_SECONDS), or still runs beyond it.",
        "runs",
    ),
    Alert(
        "EventlogNoWeekPublished",
        _UNPUBLISHED,
        "0m",
        "critical",
        "No week after {{ $labels.week }} is published, {{ $value | humanizeDuration }} later",
        "The newest week that went through all stages is older than EVENTLOG_ALERT_UNPUBLISHED_DAYS: nothing ran, or "
        "nothing came.",
        "schedule",
    ),
    Alert(
        "EventlogDropOverdue",
        f"time() - eventlog_week_timestamp_seconds{{{ANY}}} > {_threshold('overdue')} unless on (job) ({_UNPUBLISHED})",
        "0m",
        "warning",
        "The drop after {{ $labels.week }} is overdue",
        "No run has begun with a newer drop: it did not come (EVENTLOG_ALERT_OVERDUE_DAYS), or no run looked for it.",
        "schedule",
    ),
    Alert(
        "EventlogSuccessRatio",
        f"eventlog_success_ratio{{{ANY}}} < {_threshold('success')}",
        "0m",
        "warning",
        "Only {{ $value | humanizePercentage }} of the weeks that were due within a year are published",
        "The SLA of the data itself; `eventlog status` and `eventlog plan` show which weeks are missing.",
        "schedule",
    ),
    Alert(
        "EventlogMetricsLost",
        f"absent(eventlog_run_info{{{ANY}}})",
        "2m",
        "critical",
        "No metric of the pipeline is to be seen: every other alert is blind",
        "The Pushgateway is down or has lost its memory, or Prometheus cannot reach it. `eventlog metrics push` brings "
        "the newest week's figures back.",
        "schedule",
    ),
)
