"""What is published of each week, read from the manifests alone."""

from services.contracts import CONTRACT_VERSION
from services.contracts.errors import NotReadyError
from services.contracts.manifest import Manifest, read_by_feature
from services.lake.claim import Claim
from services.lake.erasures import Erasures, drop_of
from services.lake.publish import read_manifest
from services.lake.store import Store
from services.lake.weeks import Week, known_weeks


def ingested_weeks(lake: Store) -> list[str]:
    """The weeks whose raw files are published, oldest first."""
    return [week for week in known_weeks(lake) if read_manifest(lake, "ingest", week)]


def absent(lake: Store, week: str, *, begun: bool = False) -> NotReadyError:
    """The error for a week that nothing can be said of."""
    state = "begun but not published" if begun else "not in this lake"
    return NotReadyError(f"{lake.url}: week {week} is {state}; `eventlog run --week {week}` brings it in")


def empty(lake: str) -> str:
    """The sentence for a lake without a week."""
    return f"{lake}: no week has been ingested yet; `eventlog run` brings drops in"


def raw_files(ingest: Manifest) -> dict[str, str]:
    """Key → etag of a week's raw files: what clean reads."""
    return {o.key: o.etag for o in ingest.outputs if o.key.startswith("raw/")}


def clean_files(weeks: list[Week], newest: int) -> dict[str, str]:
    """Key → etag of the newest clean weeks (0: of all): what feature reads."""
    published = [week.clean for week in weeks if week.clean][-newest:]
    return {key: etag for clean in published for key, etag, _ in read_by_feature(clean)}


def published_window(lake: Store, newest: int) -> int:
    """How many weeks the published features cover where they leave older ones out, else the number that is set."""
    manifest = read_manifest(lake, "feature", None)
    covered = manifest.window.weeks if manifest and manifest.window else ()
    left_out = [week for week in known_weeks(lake) if covered and week < min(covered)]
    return len(covered) if left_out else newest


def changes(manifest: Manifest, settings: dict[str, object], inputs: dict[str, str]) -> list[str]:
    """Why what is published is not what would be published now; empty where it is."""
    reasons = []
    if manifest.contract != CONTRACT_VERSION:
        reasons.append(f"made under contract {manifest.contract}, this program has {CONTRACT_VERSION}")
    for name, value in settings.items():
        before = manifest.run.settings.get(name)
        if before != value:
            reasons.append(f"setting {name} was {before} and is {value}")
    before = {i.key: i.etag for i in manifest.inputs}
    counts = {
        "new": len(inputs.keys() - before.keys()),
        "changed": sum(before[key] != inputs[key] for key in inputs.keys() & before.keys()),
        "gone": len(before.keys() - inputs.keys()),
    }
    if any(counts.values()):
        reasons.append("input files: " + ", ".join(f"{n} {kind}" for kind, n in counts.items() if n))
    return reasons


def still_to_erase(erasures: Erasures, ingest: Manifest) -> str | None:
    """The sentence for a week that may still hold a device that was erased; None where it was made without all."""
    applied = ingest.drop.erased if ingest.drop else ()
    due = set(erasures.due(str(ingest.week), drop_of(ingest))) - set(applied)
    return f"{len(due)} erased devices are still to be left out" if due else None


def unfinished(claim: Claim, manifest: Manifest | None) -> bool:
    """Whether a run has claimed a generation that it has not published."""
    return claim.generation > (manifest.generation if manifest else 0)
