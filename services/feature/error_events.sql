-- Every error, device by device, in the order in which they happened; `place` is where its text is.
SELECT service_tag, valid_us AS valid_timestamp, event_key, pn, week, cat, place
FROM errors
ORDER BY service_tag, valid_us NULLS LAST, week, pn, source_file, source_row
