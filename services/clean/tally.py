"""Counting rows by what became of them, per partition and per source file, as they pass by."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.clean.dedup import Verdict
from services.contracts.manifest import Counts, Figures, Quality, UnusableTime
from services.contracts.severity import severity
from services.contracts.tables import EV_STATUSES, TIMESTAMP_SOURCES, TIMESTAMP_STATUSES

_STATUS = {name: code for code, name in enumerate(TIMESTAMP_STATUSES)}
_LATE_OR_NEVER = np.array([name in ("fallback", "invalid") for name in TIMESTAMP_STATUSES])
_UNREADABLE = np.array([name not in ("ok", "null") for name in EV_STATUSES])


class Tally:
    """Sums over a week; its methods may be called from several threads."""

    def __init__(self, pns: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._by_pn: dict[str, Counter[str]] = {pn: Counter() for pn in pns}
        self._by_file: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._timestamps: Counter[tuple[int, int]] = Counter()
        self._unusable: Counter[tuple[str, int | None]] = Counter()
        self._ev_statuses: Counter[int] = Counter()

    def saw_raw(
        self, pns: Sequence[str], pn: np.ndarray, rows: pa.Table, unusable: Mapping[tuple[str, int | None], int]
    ) -> None:
        """Count raw rows, with what was read from their events; `pn`: the place in `pns` of each row's."""
        status = rows["timestamp_status"].combine_chunks().indices.to_numpy()
        source = pc.fill_null(rows["timestamp_source"].combine_chunks().indices, -1).to_numpy()
        ev = rows["ev_status"].combine_chunks().indices.to_numpy()
        flags = {
            "raw_rows": np.ones(len(status), dtype=bool),
            "missing_timestamp": status == _STATUS["missing"],
            "invalid_timestamp": _LATE_OR_NEVER[status],
            "missing_event_id": ~rows["has_event_id"].to_numpy(),
            "ev_unparsable": _UNREADABLE[ev],
        }
        kinds = len(TIMESTAMP_STATUSES)
        pairs = np.bincount(
            (source + 1).astype(np.int64) * kinds + status, minlength=kinds * (len(TIMESTAMP_SOURCES) + 1)
        )
        with self._lock:
            self._add(pns, pn, rows["source_file"], flags)
            self._timestamps.update({divmod(int(pair), kinds): int(pairs[pair]) for pair in np.flatnonzero(pairs)})
            self._unusable.update(unusable)
            self._ev_statuses.update(dict(enumerate(np.bincount(ev, minlength=len(EV_STATUSES)).tolist())))

    def saw_verdict(self, pns: Sequence[str], pn: np.ndarray, rows: pa.Table, verdict: Verdict) -> None:
        """Count what became of judged rows; `pn`: the place in `pns` of each row's."""
        flags = {
            "clean_rows": verdict.kept,
            "resends": ~verdict.kept,
            "valid_timestamp": verdict.kept & pc.is_valid(rows["valid_timestamp"]).to_numpy(),
            "errors": verdict.kept & is_error(rows["cat"]),
            "event_id_conflicts": verdict.conflicts,
        }
        with self._lock:
            self._add(pns, pn, rows["source_file"], flags)

    def _add(self, pns: Sequence[str], pn: np.ndarray, files: pa.ChunkedArray, flags: dict[str, np.ndarray]) -> None:
        encoded = files.unify_dictionaries().combine_chunks()
        names, file = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        for flag, rows in flags.items():
            _count(self._by_pn, pns, pn[rows], flag)
            _count(self._by_file, names, file[rows], flag)

    def quality(self) -> Quality:
        """Everything counted so far, as the manifest has it."""
        by_pn = {pn: Counts(**counter) for pn, counter in sorted(self._by_pn.items())}
        total = sum(by_pn.values(), Counts())
        timestamps: dict[str, dict[str, int]] = {}
        for (source, status), rows in sorted(self._timestamps.items()):  # source 0: none was valid
            name = TIMESTAMP_SOURCES[source - 1] if source else "none"
            timestamps.setdefault(name, {})[TIMESTAMP_STATUSES[status]] = rows
        unusable = sorted(self._unusable.items(), key=lambda item: (item[0][0], item[0][1] is None, item[0][1] or 0))
        return Quality(
            counts=total,
            figures=Figures.of(total),
            counts_by_pn=by_pn,
            figures_by_pn={pn: Figures.of(counts) for pn, counts in by_pn.items()},
            counts_by_file={file: Counts(**counter) for file, counter in sorted(self._by_file.items())},
            timestamps=timestamps,
            unusable_times=tuple(UnusableTime(name, year, rows) for (name, year), rows in unusable),
            ev_statuses={name: self._ev_statuses[code] for code, name in enumerate(EV_STATUSES)},
        )


def _count(counters: dict[str, Counter[str]], names: Sequence[str], codes: np.ndarray, flag: str) -> None:
    """Add to the counter of each name how often its place is among the codes."""
    for name, count in zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True):
        counters[name][flag] += count


def is_error(cat: pa.ChunkedArray) -> np.ndarray:
    """bool per row: its category (a dictionary) is error or critical; each distinct category is judged once."""
    encoded = cat.unify_dictionaries().combine_chunks()
    verdicts = np.array([severity(name) in ("error", "critical") for name in encoded.dictionary.to_pylist()] + [False])
    return verdicts[pc.fill_null(encoded.indices, len(verdicts) - 1).to_numpy()]
