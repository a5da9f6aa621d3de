-- The lake as Athena tables. Replace s3://BUCKET/LAKE by your lake, run the statements one by one.
--
-- Partitions are projected, not stored: no crawler and no MSCK REPAIR, and a new week is seen at once.
-- week  date projection. Weeks without a drop are only an empty listing; add a range on week to every query.
-- pn    injected: a query names its pn as literals (pn = 'I13' or pn IN (…)), a query that does not is refused.
--       An enum would have to be altered for each new product, and until then its rows would be missing from every
--       answer without a word. A projected value is put into the location as it is, so pn is written as in the
--       path, percent-encoded: the product `A/B 7` is pn = 'A%2FB%207'.
-- For all products at once there is clean_week, partitioned by week alone (Athena reads the folders below a
-- location too), and over it the view clean_events, which takes pn from the path and decodes it.
--
-- Columns are matched by name. A drop's other columns are in raw's files: ALTER TABLE raw ADD COLUMNS (name type).
-- Athena's timestamps have milliseconds; valid_timestamp is UTC and has microseconds in the files.
-- Tried: names, types, partitions and locations against the schemas (tests/docs/test_athena.py). Not tried: Athena.

CREATE DATABASE IF NOT EXISTS eventlog;

CREATE EXTERNAL TABLE IF NOT EXISTS eventlog.raw (
  service_tag string,
  cat string,
  ev string,
  ts string,
  eventdate bigint,
  source_file string,
  source_row bigint
)
PARTITIONED BY (week string, pn string)
STORED AS PARQUET
LOCATION 's3://BUCKET/LAKE/raw/event_log/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.week.type' = 'date',
  'projection.week.format' = 'yyyy-MM-dd',
  'projection.week.range' = '2024-01-01,NOW+1MONTH',
  'projection.week.interval' = '1',
  'projection.week.interval.unit' = 'DAYS',
  'projection.pn.type' = 'injected',
  'storage.location.template' = 's3://BUCKET/LAKE/raw/event_log/week=${week}/pn=${pn}/'
);

CREATE EXTERNAL TABLE IF NOT EXISTS eventlog.clean (
  service_tag string,
  valid_timestamp timestamp,
  timestamp_source string,
  timestamp_status string,
  event_key string,
  copies int,
  cat string,
  ev string,
  ev_status string,
  source_file string,
  source_row bigint
)
PARTITIONED BY (week string, pn string)
STORED AS PARQUET
LOCATION 's3://BUCKET/LAKE/clean/event_log/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.week.type' = 'date',
  'projection.week.format' = 'yyyy-MM-dd',
  'projection.week.range' = '2024-01-01,NOW+1MONTH',
  'projection.week.interval' = '1',
  'projection.week.interval.unit' = 'DAYS',
  'projection.pn.type' = 'injected',
  'storage.location.template' = 's3://BUCKET/LAKE/clean/event_log/week=${week}/pn=${pn}/'
);

CREATE EXTERNAL TABLE IF NOT EXISTS eventlog.clean_week (
  service_tag string,
  valid_timestamp timestamp,
  timestamp_source string,
  timestamp_status string,
  event_key string,
  copies int,
  cat string,
  ev string,
  ev_status string,
  source_file string,
  source_row bigint
)
PARTITIONED BY (week string)
STORED AS PARQUET
LOCATION 's3://BUCKET/LAKE/clean/event_log/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.week.type' = 'date',
  'projection.week.format' = 'yyyy-MM-dd',
  'projection.week.range' = '2024-01-01,NOW+1MONTH',
  'projection.week.interval' = '1',
  'projection.week.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://BUCKET/LAKE/clean/event_log/week=${week}/'
);

CREATE OR REPLACE VIEW eventlog.clean_events AS
SELECT *, url_decode(regexp_extract("$path", '/pn=([^/]+)/', 1)) AS pn
FROM eventlog.clean_week;

CREATE EXTERNAL TABLE IF NOT EXISTS eventlog.quarantine (
  `row` string,
  reason string,
  detail string,
  source_file string,
  source_row bigint
)
PARTITIONED BY (week string)
STORED AS PARQUET
LOCATION 's3://BUCKET/LAKE/quarantine/event_log/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.week.type' = 'date',
  'projection.week.format' = 'yyyy-MM-dd',
  'projection.week.range' = '2024-01-01,NOW+1MONTH',
  'projection.week.interval' = '1',
  'projection.week.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://BUCKET/LAKE/quarantine/event_log/week=${week}/'
);

-- Two files lie side by side in feature/event_log/, and an Athena table is a folder: one table knows the columns of
-- both, and a view for each file picks its own.
CREATE EXTERNAL TABLE IF NOT EXISTS eventlog.feature_files (
  service_tag string,
  total_events bigint,
  error_count_total bigint,
  critical_count_total bigint,
  warning_count_total bigint,
  error_ratio double,
  first_error_time timestamp,
  last_error_time timestamp,
  error_interval_mean double,
  error_interval_std double,
  dominate_pn string,
  dominate_week string,
  as_of_week string,
  valid_timestamp timestamp,
  event_key string,
  pn string,
  week string,
  cat string,
  ev string
)
STORED AS PARQUET
LOCATION 's3://BUCKET/LAKE/feature/event_log/';

CREATE OR REPLACE VIEW eventlog.device_features AS
SELECT
  service_tag, total_events, error_count_total, critical_count_total, warning_count_total, error_ratio,
  first_error_time, last_error_time, error_interval_mean, error_interval_std, dominate_pn, dominate_week, as_of_week
FROM eventlog.feature_files
WHERE "$path" LIKE '%/device_features.parquet';

CREATE OR REPLACE VIEW eventlog.error_events AS
SELECT service_tag, valid_timestamp, event_key, pn, week, cat, ev
FROM eventlog.feature_files
WHERE "$path" LIKE '%/error_events.parquet';
