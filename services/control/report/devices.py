"""The devices whose errors moved most between two weeks, by a hash: a service tag leaves the lake in no report."""

import hashlib
from collections import Counter

from services.contracts import layout
from services.contracts.manifest import Manifest
from services.control.report.facts import DeviceErrors
from services.lake.store import ChangedError, Store

_SHOWN = 10
_HASH_DIGITS = 10
"""Of SHA-256 in hex: enough to tell the devices of a fleet apart, and a name, not a secret."""


def error_movers(lake: Store, feature: Manifest, week: str, before: str) -> tuple[DeviceErrors, ...]:
    """The devices with the largest change in errors, from the error events that this manifest published.

    Two columns are read, batch by batch. Empty where another run replaces them meanwhile: its report has them.
    """
    output = next((o for o in feature.outputs if o.key == layout.ERROR_EVENTS), None)
    if output is None:
        return ()
    try:
        now, then = _errors(lake, output.key, output.etag, (week, before))
    except ChangedError:
        return ()
    changed = [tag for tag in now.keys() | then.keys() if now[tag] != then[tag]]
    moved = sorted(changed, key=lambda tag: (-abs(now[tag] - then[tag]), -now[tag], tag))
    return tuple(DeviceErrors(device_hash(tag), now[tag], then[tag]) for tag in moved[:_SHOWN])


def device_hash(service_tag: str) -> str:
    """The name under which a device stands in a report."""
    return hashlib.sha256(service_tag.encode()).hexdigest()[:_HASH_DIGITS]


def _errors(lake: Store, key: str, etag: str, weeks: tuple[str, str]) -> tuple[Counter[str], Counter[str]]:
    """Errors by service tag in each of the two weeks."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    counted = Counter[str](), Counter[str]()
    with lake.open(key, etag) as opened:
        file = pq.ParquetFile(opened, read_dictionary=["service_tag", "week"])
        for batch in file.iter_batches(1 << 18, columns=["service_tag", "week"]):
            for counter, week in zip(counted, weeks, strict=True):
                tags = batch.column("service_tag").filter(pc.equal(batch.column("week").cast("string"), week))
                for found in pc.value_counts(tags.cast("string")).to_pylist():
                    counter[found["values"]] += found["counts"]
    return counted
