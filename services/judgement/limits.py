"""The numbers that a week is judged by; each is the setting `EVENTLOG_ALERT_<NAME>` and a metric."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of the rules in services/judgement/rules.py; the reasons stand at the settings."""

    raw_bytes_change: float = 0.3
    duplicate_ratio: float = 0.15
    invalid_timestamp_ratio: float = 0.05
    missing_timestamp_ratio: float = 0.02
    ev_unparsable_ratio: float = 0.01
    quarantined_ratio: float = 0.005
    event_id_conflict_ratio: float = 0.005
    error_ratio_change: float = 1.0
    deviations: float = 5.0
