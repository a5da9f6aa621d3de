"""PySpark in local mode: SQL functions only, no Python in the loop."""

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as f

from bench.peers.job import VOLATILE, Job, run_peer


def ingest(job: Job) -> None:
    """Source files → raw by pn."""
    rows = _session(job).read.parquet(str(job.drop))
    rows = rows.select("*", f.col("_metadata.file_name").alias("source_file"),
        f.col("_metadata.row_index").alias("source_row"))  # fmt: skip
    rows = rows.where(f.trim("service_tag") != "").withColumn(
        "pn", f.coalesce(f.nullif(f.trim("pn"), f.lit("")), f.lit("UNKNOWN"))
    )
    _write(rows.repartition("pn"), str(job.raw))


def clean(job: Job) -> None:
    """Raw → clean by pn."""
    rows = _session(job).read.parquet(str(job.raw))
    # A map of texts keeps what is nested as JSON; null where ev is no object.
    event = f.from_json("ev", "map<string,string>")
    rows = rows.withColumn("event", event)
    first, last = (f.lit(moment) for moment in job.window)

    def plausible(time: Column) -> Column:
        return f.when(time.between(first, last), time)

    candidates = [f.col("event")["TimeStamp"], f.col("event")["LogTime"], f.col("ts")]
    times = [f.try_to_timestamp(text) for text in candidates] + [f.timestamp_micros(f.expr("eventdate div 1000"))]
    has_stamp = f.col("event")["TimeStamp"].isNotNull()
    steady = f.map_filter("event", lambda name, _: ~name.isin(*VOLATILE))
    content = f.md5(f.to_json(f.map_from_entries(f.array_sort(f.map_entries(steady)))))
    rows = rows.select(
        "*",
        f.coalesce(*[plausible(time) for time in times]).alias("valid_timestamp"),
        f.when(has_stamp, content).otherwise(f.col("event")["EventId"]).alias("event_key"),
    ).drop("event")
    order = [f.col("valid_timestamp"), f.col("pn") == "UNKNOWN", f.col("source_file"), f.col("source_row")]
    place = f.row_number().over(Window.partitionBy("service_tag", "event_key").orderBy(*order))
    known = f.col("event_key").isNotNull() & f.col("valid_timestamp").isNotNull()
    kept = rows.where(known).withColumn("place", place).where("place = 1").drop("place")
    _write(kept.unionByName(rows.where(~known)).repartition("pn"), str(job.clean))


def feature(job: Job) -> None:
    """Clean → device features and errors."""
    rows = _session(job).read.parquet(str(job.clean))
    level = f.lower(f.trim("cat"))
    rows = rows.withColumn("is_error", f.coalesce(level.isin("error", "critical"), f.lit(False)))
    totals = rows.groupBy("service_tag").agg(
        f.count("*").alias("total_events"),
        f.count_if("is_error").alias("error_count_total"),
        f.count_if(level == "critical").alias("critical_count_total"),
        f.count_if(level == "warning").alias("warning_count_total"),
        (f.count_if("is_error") / f.count("*")).alias("error_ratio"),
        f.mode("pn", True).alias("dominate_pn"),
    )
    errors = rows.where("is_error")
    micros = f.unix_micros("valid_timestamp")
    step = micros - f.lag(micros).over(Window.partitionBy("service_tag").orderBy("valid_timestamp"))
    intervals = errors.where("valid_timestamp is not null").withColumn("step", step / 1e6).groupBy("service_tag").agg(
        f.min("valid_timestamp").alias("first_error_time"),
        f.max("valid_timestamp").alias("last_error_time"),
        f.avg("step").alias("error_interval_mean"),
        f.stddev_samp("step").alias("error_interval_std"),
    )  # fmt: skip
    week = f.lit(job.week)
    features = totals.join(intervals, "service_tag", "left").withColumns({"dominate_week": week, "as_of_week": week})
    features.coalesce(1).write.parquet(str(job.device_features))
    columns = ["service_tag", "valid_timestamp", "event_key", "pn", "cat", "ev"]
    errors.select(*columns, week.alias("week")).coalesce(1).write.parquet(str(job.error_events))


def _session(job: Job) -> SparkSession:
    settings = {
        "spark.driver.memory": f"{max(1, job.memory_gb * 3 // 4)}g",
        "spark.sql.shuffle.partitions": str(4 * job.threads),
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
        "spark.local.dir": str(job.lake / "spill"),
        "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    builder = SparkSession.builder.master(f"local[{job.threads}]").appName("bench")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _write(rows: DataFrame, folder: str) -> None:
    rows.write.partitionBy("pn").mode("append").parquet(folder)


if __name__ == "__main__":
    run_peer({"ingest": ingest, "clean": clean, "feature": feature})
