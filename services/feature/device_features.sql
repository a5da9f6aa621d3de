-- One row per device, from `counts` (rows by device, pn and week) and `errors` (one row per error).
-- Intervals come from exact integer sums of µs (HUGEINT), so no order and no thread count shows in them.
WITH totals AS (
    SELECT
        service_tag,
        sum(events)::BIGINT AS total_events,
        sum(errors)::BIGINT AS error_count_total,
        sum(criticals)::BIGINT AS critical_count_total,
        sum(warnings)::BIGINT AS warning_count_total
    FROM counts
    GROUP BY service_tag
),
by_pn AS (
    SELECT service_tag, first(pn ORDER BY events DESC, pn) AS dominate_pn
    FROM (SELECT service_tag, pn, sum(events) AS events FROM counts GROUP BY service_tag, pn)
    GROUP BY service_tag
),
by_week AS (
    SELECT service_tag, first(week ORDER BY events DESC, week) AS dominate_week
    FROM (SELECT service_tag, week, sum(events) AS events FROM counts GROUP BY service_tag, week)
    GROUP BY service_tag
),
steps AS (
    SELECT
        service_tag,
        valid_us,
        (valid_us - lag(valid_us) OVER (PARTITION BY service_tag ORDER BY valid_us))::HUGEINT AS step
    FROM errors
    WHERE valid_us IS NOT NULL
),
intervals AS (
    SELECT
        service_tag,
        min(valid_us) AS first_us,
        max(valid_us) AS last_us,
        count(step)::HUGEINT AS k,
        sum(step)::HUGEINT AS total,
        sum(step * step)::HUGEINT AS squares
    FROM steps
    GROUP BY service_tag
)
SELECT
    service_tag,
    total_events,
    error_count_total,
    critical_count_total,
    warning_count_total,
    error_count_total::DOUBLE / total_events AS error_ratio,
    first_us AS first_error_time,
    last_us AS last_error_time,
    CASE WHEN k >= 1 THEN total::DOUBLE / k::DOUBLE / 1e6 END AS error_interval_mean,
    CASE WHEN k >= 2 THEN sqrt((k * squares - total * total)::DOUBLE / (k * (k - 1))::DOUBLE) / 1e6 END
        AS error_interval_std,
    dominate_pn,
    dominate_week,
    $as_of_week AS as_of_week
FROM totals
JOIN by_pn USING (service_tag)
JOIN by_week USING (service_tag)
LEFT JOIN intervals USING (service_tag)
ORDER BY service_tag
