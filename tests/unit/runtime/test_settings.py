"""Settings: one place where the environment enters, every fault named at once, no secret shown."""

import pytest

from services.contracts.errors import UsageError
from services.runtime.settings import Settings, describe, load_settings, masked


def test_an_option_wins_over_the_environment_and_that_over_the_default(monkeypatch):
    monkeypatch.setenv("EVENTLOG_LAKE", "from-environment")
    monkeypatch.setenv("EVENTLOG_WEEK", "2024-05-10")
    settings = load_settings(lake="from-option", source=None)
    assert (settings.lake, settings.week, settings.source) == ("from-option", "2024-05-10", "data")


def test_all_faults_are_named_in_one_sentence(monkeypatch):
    monkeypatch.setenv("EVENTLOG_LAEK", "x")
    monkeypatch.setenv("EVENTLOG_GATE_ERROR_RATIO", "7")
    with pytest.raises(UsageError) as refused:
        load_settings(week="2024-02-30", workers=0)
    for part in ("EVENTLOG_LAEK", "EVENTLOG_GATE_ERROR_RATIO=7", "--week=2024-02-30", "--workers=0"):
        assert part in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "EVENTLOG_LAKE_SERVICE_HOST",
        "EVENTLOG_MINIO_PORT",
        "EVENTLOG_MINIO_PORT_9000_TCP_ADDR",
        "EVENTLOG_X_SERVICE_PORT_HTTP",
    ],
)
def test_names_that_kubernetes_injects_are_no_settings(monkeypatch, name):
    monkeypatch.setenv(name, "10.0.0.1")
    load_settings()


@pytest.mark.parametrize("week", ["2024-5-1", "2024-13-01", "today", "2024-05-10 ", "٢٠٢٤-٠٥-١٠"])
def test_a_week_is_a_calendar_date(week):
    with pytest.raises(UsageError, match="must be a calendar date"):
        load_settings(week=week)


def test_volatile_fields_are_a_comma_separated_list(monkeypatch):
    monkeypatch.setenv("EVENTLOG_VOLATILE_FIELDS", "SeqNo, LogTime ,")
    assert load_settings().volatile_fields == ("SeqNo", "LogTime")


def test_only_settings_that_change_bytes_enter_a_fingerprint():
    usual = Settings(run_id="a", workers=1, attempt=0)
    other = Settings(
        run_id="b", workers=2, attempt=3, force=True, memory_limit=2**30, settle_seconds=9, feature_weeks=1
    )
    for stage in ("ingest", "clean", "feature"):
        assert usual.bytes_of(stage) == other.bytes_of(stage)
    assert usual.bytes_of("clean") != Settings(day_first=True).bytes_of("clean")
    assert usual.bytes_of("ingest") != Settings(on_bad_file="skip").bytes_of("ingest")


def test_every_setting_says_what_it_means_and_where_its_value_is_from(monkeypatch):
    monkeypatch.setenv("EVENTLOG_LAKE", "there")
    described = {setting.name: setting for setting in describe(load_settings(week="auto"), week="auto")}
    assert set(described) == set(Settings.model_fields)
    assert all(setting.meaning for setting in described.values())
    origins = [described[name].origin for name in ("lake", "week", "source")]
    assert origins == ["environment", "option", "default"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@gateway:9091/x", "https://***@gateway:9091/x"),
        ("https://host/x?a=1&X-Amz-Signature=abc&b=2", "https://host/x?a=1&X-Amz-Signature=***&b=2"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
    ],
)
def test_credentials_in_an_address_are_not_shown(text, shown):
    assert masked(text) == shown


def test_a_refused_value_is_shown_without_its_credentials():
    with pytest.raises(UsageError) as refused:
        load_settings(workers="https://me:secret@host")
    assert "secret" not in str(refused.value)
