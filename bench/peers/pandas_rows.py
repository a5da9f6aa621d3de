"""pandas: one DataFrame, `json.loads` for each row, one Parquet file a pn."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bench.peers.job import VOLATILE, Job, run_peer


def ingest(job: Job) -> None:
    """Source files → raw by pn."""
    frames = []
    for path in sorted(job.drop.glob("*.parquet")):
        frame = pd.read_parquet(path)
        frames.append(frame.assign(source_file=path.name, source_row=range(len(frame))))
    rows = pd.concat(frames, ignore_index=True)
    rows = rows[rows["service_tag"].str.strip().fillna("") != ""]
    rows["pn"] = rows["pn"].str.strip().replace("", None).fillna("UNKNOWN")
    _write_by_pn(rows, job.raw)


def clean(job: Job) -> None:
    """Raw → clean by pn."""
    rows = _read_by_pn(job.raw)
    read = pd.DataFrame([_read(ev) for ev in rows["ev"]], index=rows.index)
    candidates = [pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601")
        for texts in (read["time_stamp"], read["log_time"], rows["ts"])]  # fmt: skip
    candidates.append(pd.to_datetime(rows["eventdate"], utc=True, errors="coerce", unit="ns"))
    first, last = job.window
    valid = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    for candidate in candidates:
        valid = valid.fillna(candidate.where(candidate.between(first, last)).astype("datetime64[us, UTC]"))
    rows["valid_timestamp"], rows["event_key"] = valid, read["key"]
    rows["is_unknown"] = rows["pn"] == "UNKNOWN"
    known = rows["valid_timestamp"].notna() & rows["event_key"].notna()
    ordered = rows[known].sort_values(["valid_timestamp", "is_unknown", "source_file", "source_row"])
    kept = ordered.drop_duplicates(["service_tag", "event_key"])
    _write_by_pn(pd.concat([kept, rows[~known]]).drop(columns="is_unknown"), job.clean)


def feature(job: Job) -> None:
    """Clean → device features and errors."""
    rows = _read_by_pn(job.clean)
    level = rows["cat"].str.strip().str.lower()
    rows["is_error"] = level.isin(["error", "critical"])
    rows["is_critical"], rows["is_warning"] = level == "critical", level == "warning"
    features = rows.groupby("service_tag").agg(
        total_events=("is_error", "size"),
        error_count_total=("is_error", "sum"),
        critical_count_total=("is_critical", "sum"),
        warning_count_total=("is_warning", "sum"),
        error_ratio=("is_error", "mean"),
    )
    errors = rows[rows["is_error"]].sort_values(["service_tag", "valid_timestamp"])
    seconds = errors.groupby("service_tag")["valid_timestamp"].diff().dt.total_seconds()
    times = errors.assign(seconds=seconds).groupby("service_tag").agg(
        first_error_time=("valid_timestamp", "min"),
        last_error_time=("valid_timestamp", "max"),
        error_interval_mean=("seconds", "mean"),
        error_interval_std=("seconds", "std"),
    )  # fmt: skip
    by_pn = rows.groupby(["service_tag", "pn"]).size().rename("events").reset_index()
    by_pn = by_pn.sort_values(["service_tag", "events", "pn"], ascending=[True, False, True])
    dominant = by_pn.drop_duplicates("service_tag").set_index("service_tag")["pn"].rename("dominate_pn")
    features = features.join(times).join(dominant).assign(dominate_week=job.week, as_of_week=job.week)
    features.reset_index().to_parquet(job.device_features, compression="zstd", index=False)
    columns = ["service_tag", "valid_timestamp", "event_key", "pn", "cat", "ev"]
    errors[columns].assign(week=job.week).to_parquet(job.error_events, compression="zstd", index=False)


class _Event(NamedTuple):
    time_stamp: str | None = None
    log_time: str | None = None
    key: str | None = None


def _read(ev: object) -> _Event:
    try:
        event = json.loads(ev) if isinstance(ev, str) else None
    except (ValueError, RecursionError):
        return _Event()
    if not isinstance(event, dict):
        return _Event()
    stamp, log = event.get("TimeStamp"), event.get("LogTime")
    if stamp is None or str(stamp).isspace() or stamp == "":
        event_id = event.get("EventId")
        return _Event(None, _text(log), None if event_id in (None, "") else str(event_id))
    for name in VOLATILE:
        event.pop(name, None)
    key = hashlib.md5(json.dumps(event, sort_keys=True).encode()).hexdigest()
    return _Event(_text(stamp), _text(log), key)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _read_by_pn(folder: Path) -> pd.DataFrame:
    files = folder.glob("*/*.parquet")
    frames = [pd.read_parquet(path, partitioning=None).assign(pn=path.parent.name[3:]) for path in files]
    return pd.concat(frames, ignore_index=True)


def _write_by_pn(rows: pd.DataFrame, folder: Path) -> None:
    for pn, part in rows.groupby("pn"):
        path = folder / f"pn={str(pn).replace('/', '%2F')}" / "part.parquet"
        path.parent.mkdir()
        part.drop(columns="pn").to_parquet(path, compression="zstd", index=False)


if __name__ == "__main__":
    run_peer({"ingest": ingest, "clean": clean, "feature": feature})
