"""Clean rows → counts and errors in DuckDB, on scratch disk and within a memory limit."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from services.contracts.errors import TemporaryError
from services.contracts.tables import TIMESTAMP
from services.feature.texts import Texts

_BATCH_ROWS = 50_000
"""Rows in a batch that comes out."""
_BATCH_BYTES = 4 * 1024**2
"""Bytes of the rows that go in with a statement."""
_BATCH_TABLES = 500
"""Tables that wait for a statement at most: one of few rows takes kilobytes for its columns."""
_TABLES = """
CREATE TABLE counts (
    service_tag VARCHAR, pn VARCHAR, week VARCHAR, events BIGINT, errors BIGINT, criticals BIGINT, warnings BIGINT
);
CREATE TABLE errors (
    service_tag VARCHAR, valid_us BIGINT, event_key VARCHAR, pn VARCHAR, week VARCHAR, cat VARCHAR, place BIGINT,
    source_file VARCHAR, source_row BIGINT
);
"""
_COUNT = """
INSERT INTO counts SELECT service_tag, pn, week, events, errors, criticals, warnings FROM rows
"""
_COLLECT = """
INSERT INTO errors SELECT service_tag, valid_us, event_key, pn, week, cat, place, source_file, source_row FROM rows
"""


class Aggregator:
    """Takes clean rows in any order; gives the two feature tables in theirs."""

    def __init__(self, folder: Path, *, memory: int, threads: int) -> None:
        self._connection = duckdb.connect(
            str(folder / "feature.duckdb"),
            config={
                "memory_limit": f"{memory // 1024**2}MiB",
                "threads": threads,
                "temp_directory": str(folder / "spill"),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        # Nothing is ever committed: the file is only for what memory does not hold, and nobody waits for its disk.
        self._connection.execute("BEGIN")
        self._connection.execute(_TABLES)
        self._texts = Texts(folder / "texts.arrow")
        self._pending: dict[str, list[pa.Table]] = {_COUNT: [], _COLLECT: []}
        self._pending_bytes = dict.fromkeys(self._pending, 0)

    def count(self, rows: pa.Table) -> None:
        """Add counts by device, as `counts_by_device` has them, with pn and week."""
        self._add(_COUNT, rows)

    def collect(self, rows: pa.Table) -> None:
        """Add errors with all their columns, pn and week."""
        self._add(_COLLECT, self._without_text(in_microseconds(rows)))

    def device_features(self, as_of_week: str) -> Iterator[pa.Table]:
        """Batches of device_features, in order."""
        yield from self._select("device_features.sql", {"as_of_week": as_of_week})

    def error_events(self) -> Iterator[pa.Table]:
        """Batches of error_events, in order."""
        yield from self._texts.joined(self._select("error_events.sql", {}))

    def _without_text(self, rows: pa.Table) -> pa.Table:
        """DuckDB sorts 2,048 rows at least, whatever they weigh: their text stays outside."""
        return rows.set_column(rows.column_names.index("ev"), "place", self._texts.add(rows["ev"]))

    def _add(self, statement: str, rows: pa.Table) -> None:
        """Keep rows until they are worth a statement: row groups may be many and small."""
        self._pending[statement].append(rows)
        self._pending_bytes[statement] += rows.nbytes
        if self._pending_bytes[statement] >= _BATCH_BYTES or len(self._pending[statement]) >= _BATCH_TABLES:
            self._insert(statement)

    def _insert(self, statement: str) -> None:
        pending, self._pending[statement], self._pending_bytes[statement] = self._pending[statement], [], 0
        if pending:
            # In one chunk: DuckDB has room for 2,048 rows of each, however few they are. The statement finds them by
            # their variable's name: a registered view holds its rows until the transaction ends, even unregistered.
            rows = pa.concat_tables(pending).unify_dictionaries().combine_chunks()  # noqa: F841
            with _explained():
                self._connection.execute(statement)

    def _select(self, name: str, parameters: dict[str, str]) -> Iterator[pa.Table]:
        for pending in self._pending:
            self._insert(pending)
        statement = files("services.feature").joinpath(name).read_text()
        with _explained():
            reader = self._connection.sql(statement, params=parameters).to_arrow_reader(_BATCH_ROWS)
        while True:
            with _explained():
                batch = next(reader, None)
            if batch is None:
                return
            yield _with_times(pa.Table.from_batches([batch]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._texts.close()
        self._connection.close()


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what DuckDB lacks into a sentence: both may be there the next time."""
    try:
        yield
    except duckdb.OutOfMemoryException as lacking:
        raise TemporaryError(
            "feature needs more memory or scratch than it was given; raise EVENTLOG_MEMORY_LIMIT or the container's "
            f"limit, or make room on the scratch disk ({str(lacking).splitlines()[0][:200]})"
        ) from lacking
    except duckdb.IOException as broken:
        raise TemporaryError(f"feature's scratch disk fails: {str(broken).splitlines()[0][:200]}") from broken


def in_microseconds(rows: pa.Table) -> pa.Table:
    """The same rows with valid_timestamp as `valid_us`: DuckDB's zoned times need a time zone database."""
    place = rows.column_names.index("valid_timestamp")
    return rows.set_column(place, "valid_us", rows["valid_timestamp"].cast(pa.int64()))


def _with_times(rows: pa.Table) -> pa.Table:
    for name in ("valid_timestamp", "first_error_time", "last_error_time"):
        if name in rows.column_names:
            rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(TIMESTAMP))
    return rows
