"""A plain drop for the bench: every rule of the contract's core, in forms that all peers can read as well as we do.

Times are ISO 8601, re-sends keep the order of their keys, and a broken `ev` is cut short; what the drops of
`eventlog sample` have beyond that (other forms of time, hostile JSON) a peer would have to be taught first.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import duckdb

Shape = Literal["balanced", "skewed", "hundreds", "many", "scattered"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

_RUN = 14
"""One row in so many is a re-send of an earlier one."""
_ROWS_PER_DEVICE = 200
_FEW, _SCATTERED = 8, 2000
"""Files of a drop, and of a scattered one."""
_BALANCED_PN = "'P' || hash(device, 21) % 14"
_PNS: dict[Shape, str] = {
    "balanced": _BALANCED_PN,
    "skewed": "CASE WHEN hash(device, 22) % 100 < 80 THEN 'P0' ELSE 'P' || 1 + hash(device, 21) % 13 END",
    "hundreds": "'P' || device % 299",
    "many": "'P' || device % 1999",
    "scattered": _BALANCED_PN,
}
"""The product of a device: one of 14, 80 % of all rows in one of 14, one of 299 or one of 1,999;
with UNKNOWN they are 300 and 2,000."""

_EVENTS = f"""
WITH shown AS (
    SELECT
        i AS row,
        CASE WHEN i % {_RUN} = {_RUN - 1} THEN (hash(i, 1) % (i // {_RUN} + 1))::BIGINT * {_RUN} ELSE i END AS event
    FROM range($first, $end) numbers(i)
), drawn AS (
    SELECT
        *,
        -- A heavy tail: the busiest device logs a hundred times more than most.
        least(floor(pow(hash(event, 2) / 18446744073709551616.0, 1.7) * $devices), $devices - 1)::BIGINT AS device,
        hash(event, 3) % 1000 AS fate,
        hash(event, 4) % 1000 AS level,
        $start + ((hash(event, 5) % 691200000)::BIGINT - 604800000) * 1000 AS event_us,
        hash(row, 6) AS upload
    FROM shown
), timed AS (
    SELECT *, event_us + (1000 + upload % 90000)::BIGINT * 1000 AS log_us, md5(event::VARCHAR) AS id FROM drawn
)"""
"""`fate` (per mille): below 20 no TimeStamp, 20–29 a clock at its factory setting, 30–59 no EventId, 60 cut short,
61 null, 62–66 no time in `ev` at all."""

_ROWS = """
SELECT
    CASE WHEN hash(row, 8) % 5000 > 0 THEN 'D' || lpad((device * 7919 % 10000000)::VARCHAR, 7, '0') END AS service_tag,
    CASE WHEN hash(row, 9) % 70 > 0 THEN PN END AS pn,
    CASE
        WHEN level < 830 THEN 'Info' WHEN level < 850 THEN ' info' WHEN level < 960 THEN 'Warning'
        WHEN level < 990 THEN 'Error' WHEN level < 993 THEN 'ERROR ' ELSE 'Critical'
    END AS cat,
    CASE
        WHEN fate = 60 THEN left(text, 40)
        WHEN fate <> 61 THEN text
    END AS ev,
    strftime(make_timestamp(log_us + 3600000000), '%Y-%m-%d %H:%M:%S') AS ts,
    (log_us // 1000000 + 3700) * 1000000000 AS eventdate,
    '10.0.' || 19045 + hash(device, 10) % 4 AS os_version,
    '1.' || hash(device, 11) % 20 || '.0' AS bios
FROM (
    SELECT *, '{' ||
        CASE WHEN fate BETWEEN 30 AND 59 THEN '' ELSE '"EventId":"' || id || '",' END ||
        CASE
            WHEN fate < 20 OR fate BETWEEN 62 AND 66 THEN ''
            WHEN fate < 30 THEN
                '"TimeStamp":"' || (ARRAY[1970, 1980, 2000, 2099])[1 + event % 4]
                || '-01-01T00:0' || event % 10 || ':00.000Z",'
            ELSE '"TimeStamp":"' || strftime(make_timestamp(event_us), '%Y-%m-%dT%H:%M:%S.%g')
                || CASE WHEN event % 7 = 0 THEN '+00:00",' ELSE 'Z",' END
        END ||
        '"Source":"' || (ARRAY['Kernel-Power', 'WHEA-Logger', 'disk', 'WLAN'])[1 + event % 4] ||
        '","Level":"' || level || '","Message":"Logged by the firmware of this notebook","Data":{"Code":' ||
        hash(event, 12) % 5000 || ',"State":{"Celsius":' || 35 + hash(event, 13) % 60 || '.5,"Cycles":' ||
        hash(event, 14) % 1400 || '}},"RecordId":' || event ||
        CASE WHEN fate BETWEEN 62 AND 66 THEN ''
            ELSE ',"LogTime":"' || strftime(make_timestamp(log_us), '%Y-%m-%dT%H:%M:%S.%g') || 'Z"' END ||
        ',"UploadTime":"' || strftime(make_timestamp(log_us + 5000000), '%Y-%m-%d %H:%M:%S') ||
        'Z","SeqNo":' || upload % 100000 || ',"BatchId":"b' || upload % 9973 || '"}' AS text
    FROM timed
)"""

_EXPECTED = """
SELECT
    count(*) FILTER (tagged),
    count(*) FILTER (tagged AND fate IN (60, 61)) + count(DISTINCT event) FILTER (tagged AND fate NOT IN (60, 61))
FROM (SELECT event, fate, hash(row, 8) % 5000 > 0 AS tagged FROM timed)"""
"""Rows with a device, and what the contract keeps of them: an event without a key is never merged."""


@dataclass(frozen=True)
class Drop:
    """A drop on disk; it decides itself what is to be kept of it."""

    source: str
    week: str
    rows: int
    shape: Shape
    bytes: int
    raw_rows: int
    kept_rows: int


def make_drop(folder: Path, rows: int, shape: Shape = "balanced", week: str = "2024-05-10") -> Drop:
    """The drop of so many rows; one that is there is taken as it is."""
    source = folder / f"{shape}-{rows}"
    files = _SCATTERED if shape == "scattered" else _FEW
    facts = source / "drop.json"
    if not facts.exists():
        (source / week).mkdir(parents=True, exist_ok=True)
        with duckdb.connect(config={"memory_limit": "4GB", "preserve_insertion_order": True}) as database:
            devices = max(rows // _ROWS_PER_DEVICE, 2000)
            start = int(duckdb.execute(f"SELECT epoch_us(DATE '{week}')").fetchall()[0][0])
            for file in range(files):
                part = source / week / f"part-{file:04}.parquet"
                numbers = {"first": rows * file // files, "end": rows * (file + 1) // files}
                database.execute(
                    f"COPY ({_sql(_ROWS.replace('PN', _PNS[shape], 1), start, devices, **numbers)}) "
                    f"TO '{part}' (FORMAT parquet, COMPRESSION snappy)"
                )
            raw, kept = database.execute(_sql(_EXPECTED, start, devices, first=0, end=rows)).fetchall()[0]
        size = sum(part.stat().st_size for part in (source / week).iterdir())
        facts.write_text(json.dumps(asdict(Drop(str(source), week, rows, shape, size, raw, kept)), indent=2))
    return Drop(**json.loads(facts.read_text()))


def _sql(select: str, start: int, devices: int, *, first: int, end: int) -> str:
    """COPY takes no parameters."""
    text = _EVENTS + select
    for name, value in {"$start": start, "$devices": devices, "$first": first, "$end": end}.items():
        text = text.replace(name, str(value))
    return text


def main() -> None:
    """Make drops and name them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--shape", choices=SHAPES, default="balanced")
    parser.add_argument("--folder", type=Path, default=Path("build/bench/drops"))
    options = parser.parse_args()
    for rows in options.rows:
        print(make_drop(options.folder, rows, options.shape))


if __name__ == "__main__":
    main()
