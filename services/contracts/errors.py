"""Every way a run can end badly, and the exit code that says so.

Argo retries all codes but 2, 3, 4 and 5; so a class here decides whether a human or a retry is needed.
"""

from collections.abc import Sequence
from typing import NamedTuple


class PipelineError(Exception):
    """A failure with a sentence for the user: what is wrong, where, and what to do."""

    exit_code = 1


class UsageError(PipelineError):
    """An option, a setting, a source that is not there, a lake that cannot be written."""

    exit_code = 2


class BadInputError(PipelineError):
    """The drop, or something in the lake that is not ours, is not what the contract accepts."""

    exit_code = 3


class GateError(PipelineError):
    """A data quality figure is beyond its gate; nothing was published."""

    exit_code = 4


class NotReadyError(PipelineError):
    """The input is not there, has no file, is still arriving, or is being republished."""

    exit_code = 5


class TemporaryError(PipelineError):
    """Storage that does not answer, a full disk: the same run may succeed later."""

    exit_code = 75


class InterruptedRun(KeyboardInterrupt):
    """SIGINT or SIGTERM; no object is half-written and a rerun finishes the job.

    No `Exception`: the SDK takes those for a network in trouble, wherever they come from, and tries again.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted; nothing is half-written, a rerun finishes the job")
        self.exit_code = 128 + signal_number


class LedgerError(PipelineError):
    """Rows were lost or doubled inside the program; a defect, stopped before anything is published."""


class Fault(NamedTuple):
    """One thing wrong with one source file."""

    file: str
    column: str | None
    reason: str

    def __str__(self) -> str:
        where = f"{self.file}: column {self.column}" if self.column else self.file
        return f"{where}: {self.reason}"


class BadFilesError(BadInputError):
    """Source files that cannot be taken, with every fault of every file."""

    def __init__(self, faults: Sequence[Fault], *, all_files: bool = False) -> None:
        self.faults = tuple(faults)
        files = {fault.file for fault in self.faults}
        them, these = ("it", "this file") if len(files) == 1 else ("them", f"these {len(files)} files")
        skip = f", or go on without {these} by EVENTLOG_ON_BAD_FILE=skip, for this week alone (--week)"
        super().__init__(
            f"bad input: {'; '.join(str(fault) for fault in self.faults)}. Nothing was published. "
            f"Ask the sender for {them} again{'; no other file is left' if all_files else skip}."
        )


# The worst exit code of a run over several weeks, worst first (128 + n: killed by signal n).
SEVERITY = (143, 130, 1, 2, 75, 3, 4, 5, 0)


def worst(codes: Sequence[int]) -> int:
    """The code that wins when several weeks ran; 0 when none did."""
    return min(codes, key=SEVERITY.index, default=0)
