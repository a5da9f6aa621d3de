"""What a week is judged by: the facts of its manifests, and the figures that they give."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple

from services.contracts.manifest import Counts, Drop, Figures, Manifest, Quality

if TYPE_CHECKING:
    from services.judgement.accepted import Accepted  # pyarrow takes longer to import than all the rest


class Part(NamedTuple):
    """A ratio as the two counts that it is made of; names of fields of Counts."""

    rows: str
    of: str


RATIOS = {
    "missing_timestamp_ratio": Part("missing_timestamp", "raw_rows"),
    "invalid_timestamp_ratio": Part("invalid_timestamp", "raw_rows"),
    "valid_timestamp_coverage": Part("valid_timestamp", "clean_rows"),
    "missing_event_id_ratio": Part("missing_event_id", "raw_rows"),
    "ev_unparsable_ratio": Part("ev_unparsable", "raw_rows"),
    "duplicate_ratio": Part("resends", "raw_rows"),
    "error_ratio": Part("errors", "clean_rows"),
    "event_id_conflict_ratio": Part("event_id_conflicts", "raw_rows"),
}
"""The last is event_id_conflicts per raw row: a count would grow with the drop."""


@dataclass(frozen=True)
class WeekFacts:
    """A published week; a part is None where its stage has not published it."""

    week: str
    drop: Drop | None = None
    source_rows: int = 0
    quality: Quality | None = None
    accepted: "Accepted | None" = None

    @staticmethod
    def of(week: str, ingest: Manifest | None, clean: Manifest | None, accepted: "Accepted | None") -> "WeekFacts":
        rows = ingest.ledger.get("source_rows", 0) if ingest else 0
        return WeekFacts(week, ingest.drop if ingest else None, rows, clean.quality if clean else None, accepted)

    def figures(self) -> dict[str, float]:
        """Every figure that can be told of this week; a ratio of nothing is none."""
        found: dict[str, float] = {}
        if self.drop:
            found["raw_bytes"] = self.drop.raw_bytes
            found["skipped_files"] = len(self.drop.skipped_files)
            if self.source_rows:
                found["quarantined_ratio"] = sum(self.drop.quarantined.values()) / self.source_rows
        if self.quality and self.quality.counts.clean_rows:
            counts = self.quality.counts
            found |= ratios(counts)
        return found


def ratios(counts: Counts) -> Mapping[str, float]:
    """The contract's ratios of these rows, and event_id_conflicts per raw row."""
    known = asdict(Figures.of(counts))
    conflicts = known.pop("event_id_conflicts")
    return known | {"event_id_conflict_ratio": conflicts / counts.raw_rows if counts.raw_rows else 0.0}
