"""Polars: lazy frames on the streaming engine; its threads are set by POLARS_MAX_THREADS before it is imported.

Polars has no JSON functions that remove a field or sort keys, and no md5. Its users would cut the volatile fields
out with a regular expression and take the built-in 64-bit hash, so that is what it is given here: less work than the
other peers do, and right only for flat volatile fields and for re-sends that keep the order of their keys.
"""

from pathlib import Path

import polars as pl

from bench.peers.job import VOLATILE, Job, run_peer

_VOLATILE = r'"(?:' + "|".join(VOLATILE) + r')":(?:"[^"]*"|[^",}]*),?'
_WITH_ZONE, *_WITHOUT = "%+", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"


def ingest(job: Job) -> None:
    """Source files → raw by pn."""
    rows = pl.scan_parquet(job.drop / "*.parquet", include_file_paths="source_file", row_index_name="source_row")
    pn = pl.col("pn").str.strip_chars()
    rows = rows.filter(pl.col("service_tag").str.strip_chars() != "").with_columns(
        pl.when(pn != "").then(pn).otherwise(pl.lit("UNKNOWN")).alias("pn"),
        pl.col("source_file").str.split("/").list.last(),
    )
    _write_by_pn(rows, job.raw)


def clean(job: Job) -> None:
    """Raw → clean by pn."""
    first, last = job.window
    names = ("TimeStamp", "LogTime", "EventId")
    stamp, log, event_id = (pl.col("ev").str.json_path_match(f"$.{name}") for name in names)
    content = pl.col("ev").str.replace_all(_VOLATILE, "").hash().cast(pl.String)
    times = [_time(pl.col("stamp")), _time(pl.col("log")), _time(pl.col("ts"))]
    times.append(pl.from_epoch(pl.col("eventdate") // 1000, "us").dt.replace_time_zone("UTC"))
    rows = (
        _read_by_pn(job.raw)
        .with_columns(stamp=stamp, log=log, event_id=event_id)
        .with_columns(
            valid_timestamp=pl.coalesce([pl.when(time.is_between(first, last)).then(time) for time in times]),
            event_key=pl.when(pl.col("stamp").is_not_null()).then(content).otherwise(pl.col("event_id")),
        )
        .drop("stamp", "log", "event_id")
    )
    known = pl.col("event_key").is_not_null() & pl.col("valid_timestamp").is_not_null()
    order = ["valid_timestamp", pl.col("pn") == "UNKNOWN", "source_file", "source_row"]
    kept = rows.filter(known).sort(order).unique(["service_tag", "event_key"], keep="first", maintain_order=False)
    _write_by_pn(pl.concat([kept, rows.filter(~known)]), job.clean)


def feature(job: Job) -> None:
    """Clean → device features and errors."""
    level = pl.col("cat").str.strip_chars().str.to_lowercase()
    rows = _read_by_pn(job.clean).with_columns(level=level, is_error=level.is_in(["error", "critical"]))
    totals = rows.group_by("service_tag").agg(
        total_events=pl.len(),
        error_count_total=pl.col("is_error").sum(),
        critical_count_total=(pl.col("level") == "critical").sum(),
        warning_count_total=(pl.col("level") == "warning").sum(),
        error_ratio=pl.col("is_error").mean(),
    )
    by_pn = rows.group_by("service_tag", "pn").len().sort(["len", "pn"], descending=[True, False])
    dominant = by_pn.group_by("service_tag", maintain_order=True).agg(dominate_pn=pl.col("pn").first())
    errors = rows.filter("is_error")
    time = pl.col("valid_timestamp")
    seconds = time.sort().diff().dt.total_microseconds() / 1e6
    intervals = (
        errors.filter(time.is_not_null())
        .group_by("service_tag")
        .agg(
            first_error_time=time.min(),
            last_error_time=time.max(),
            error_interval_mean=seconds.mean(),
            error_interval_std=seconds.std(),
        )
    )
    week = pl.lit(job.week)
    features = totals.join(dominant, on="service_tag").join(intervals, on="service_tag", how="left")
    features.with_columns(dominate_week=week, as_of_week=week).sink_parquet(job.device_features, engine="streaming")
    columns = ["service_tag", "valid_timestamp", "event_key", "pn", "cat", "ev"]
    errors.select(*columns, week=week).sink_parquet(job.error_events, engine="streaming")


def _time(text: pl.Expr) -> pl.Expr:
    zoned = text.str.to_datetime(_WITH_ZONE, time_unit="us", strict=False)
    plain = [text.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False) for form in _WITHOUT]
    return pl.coalesce([zoned, *plain])


def _read_by_pn(folder: Path) -> pl.LazyFrame:
    return pl.scan_parquet(folder / "**/*.parquet", hive_schema={"pn": pl.String})


def _write_by_pn(rows: pl.LazyFrame, folder: Path) -> None:
    rows.sink_parquet(
        pl.PartitionBy(folder, key="pn", include_key=False), mkdir=True, engine="streaming", maintain_order=False
    )


if __name__ == "__main__":
    run_peer({"ingest": ingest, "clean": clean, "feature": feature})
