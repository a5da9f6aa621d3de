"""DuckDB: one statement a stage (feature has two files, so two)."""

import duckdb

from bench.peers.job import VOLATILE, Job, run_peer


def ingest(job: Job) -> None:
    """Source files → raw by pn."""
    _run(
        job,
        f"""
        COPY (
            SELECT * EXCLUDE (pn, file_row_number, filename),
                coalesce(nullif(trim(pn), ''), 'UNKNOWN') AS pn,
                parse_filename(filename) AS source_file, file_row_number AS source_row
            FROM read_parquet('{job.drop}/*.parquet', filename = true, file_row_number = true)
            WHERE trim(service_tag) <> ''
        ) TO '{job.raw}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (pn), OVERWRITE_OR_IGNORE)""",
    )


def clean(job: Job) -> None:
    """Raw → clean by pn."""
    first, last = (f"TIMESTAMPTZ '{moment.isoformat()}'" for moment in job.window)
    patch = "{" + ",".join(f'"{name}":null' for name in VOLATILE) + "}"

    def plausible(time: str) -> str:
        return f"CASE WHEN {time} BETWEEN {first} AND {last} THEN {time} END"

    times = [f"TRY_CAST(fields[{place}] AS TIMESTAMPTZ)" for place in (1, 2)] + ["TRY_CAST(ts AS TIMESTAMPTZ)"]
    times += ["make_timestamp(eventdate // 1000)::TIMESTAMPTZ"]
    _run(
        job,
        f"""
        COPY (
            WITH read AS (
                SELECT *, json_extract_string(event, ['$.TimeStamp', '$.LogTime', '$.EventId']) AS fields
                FROM (
                    SELECT *, CASE WHEN json_valid(ev) THEN ev END AS event
                    FROM read_parquet('{job.raw}/*/*.parquet', hive_types = {{'pn': VARCHAR}})
                )
            ), timed AS (
                SELECT * EXCLUDE (fields, event),
                    coalesce({", ".join(plausible(time) for time in times)}) AS valid_timestamp,
                    CASE WHEN fields[1] IS NOT NULL THEN md5(json_merge_patch(event, '{patch}')) ELSE fields[3] END
                        AS event_key
                FROM read
            )
            SELECT * FROM timed
            QUALIFY event_key IS NULL OR valid_timestamp IS NULL OR row_number() OVER (
                PARTITION BY service_tag, event_key
                ORDER BY valid_timestamp NULLS LAST, pn = 'UNKNOWN', source_file, source_row
            ) = 1
        ) TO '{job.clean}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (pn), OVERWRITE_OR_IGNORE)""",
    )


def feature(job: Job) -> None:
    """Clean → device features and errors."""
    events = f"""
        WITH events AS (
            SELECT *, lower(trim(cat)) IN ('error', 'critical') AS is_error
            FROM read_parquet('{job.clean}/*/*.parquet', hive_types = {{'pn': VARCHAR}})
        )"""
    _run(
        job,
        f"""
        COPY (
            {events}, steps AS (
                SELECT service_tag, valid_timestamp, epoch_us(valid_timestamp)
                    - lag(epoch_us(valid_timestamp)) OVER (PARTITION BY service_tag ORDER BY valid_timestamp) AS step
                FROM events WHERE is_error AND valid_timestamp IS NOT NULL
            ), intervals AS (
                SELECT service_tag, min(valid_timestamp) AS first_error_time, max(valid_timestamp) AS last_error_time,
                    avg(step) / 1e6 AS error_interval_mean, stddev_samp(step) / 1e6 AS error_interval_std
                FROM steps GROUP BY service_tag
            ), totals AS (
                SELECT service_tag, count(*) AS total_events, count(*) FILTER (is_error) AS error_count_total,
                    count(*) FILTER (lower(trim(cat)) = 'critical') AS critical_count_total,
                    count(*) FILTER (lower(trim(cat)) = 'warning') AS warning_count_total,
                    count(*) FILTER (is_error) / count(*) AS error_ratio, mode(pn ORDER BY pn) AS dominate_pn
                FROM events GROUP BY service_tag
            )
            SELECT *, '{job.week}' AS dominate_week, '{job.week}' AS as_of_week
            FROM totals LEFT JOIN intervals USING (service_tag)
        ) TO '{job.device_features}' (FORMAT parquet, COMPRESSION zstd)""",
        f"""
        COPY (
            {events} SELECT service_tag, valid_timestamp, event_key, pn, '{job.week}' AS week, cat, ev
            FROM events WHERE is_error
        ) TO '{job.error_events}' (FORMAT parquet, COMPRESSION zstd)""",
    )


def _run(job: Job, *statements: str) -> None:
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": job.threads,
        "memory_limit": f"{job.memory_gb}GB",
        "preserve_insertion_order": False,
        "temp_directory": str(job.lake / "spill"),
    }
    with duckdb.connect(config=config) as database:
        for statement in statements:
            database.execute(statement)


if __name__ == "__main__":
    run_peer({"ingest": ingest, "clean": clean, "feature": feature})
