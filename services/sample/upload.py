"""A sample where it is wanted: in a folder as it is made, in a bucket by way of scratch."""

import hashlib
import tempfile
from pathlib import Path

from services.lake.store import Body, Store, open_store
from services.runtime.progress import progress
from services.runtime.settings import Settings
from services.sample.drop import SampleSpec, write_drop


def write_sample(spec: SampleSpec, settings: Settings, answers: Path | None) -> list[str]:
    """Make the drops in the source; where each file lies now."""
    if not settings.source.startswith("s3://"):
        folder = Path(settings.source.removeprefix("file://"))
        return [str(path) for path in _made(spec, folder, settings, answers)]
    source = open_store(settings.source)
    with tempfile.TemporaryDirectory(prefix="eventlog-sample-", dir=settings.scratch) as scratch:
        made = _made(spec, Path(scratch), settings, answers)
        return [_sent(source, path, path.relative_to(scratch).as_posix()) for path in made]


def _made(spec: SampleSpec, folder: Path, settings: Settings, answers: Path | None) -> list[Path]:
    done: dict[str, int] = {}
    with progress("sample", spec.rows * len(spec.weeks)) as shown:

        def advance(week: str, rows: int) -> None:
            shown.advance(rows - done.get(week, 0))
            done[week] = rows

        return write_drop(spec, folder, answers, settings.workers, advance)


def _sent(source: Store, path: Path, key: str) -> str:
    there = source.head(key)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    source.put(key, Body(path, sha256, generation=0), there.etag if there else None)
    return f"{source.url}/{key}"
