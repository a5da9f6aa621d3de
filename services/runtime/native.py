"""The native kernel, where it is installed and wanted."""

from typing import Any, Literal

from services.contracts.errors import UsageError

try:
    import eventlog_kernel
except ImportError:
    eventlog_kernel = None


def native_kernel(wanted: Literal["auto", "native", "python"]) -> Any | None:
    """The compiled module; None: Python does the same work, slower."""
    if wanted == "native" and eventlog_kernel is None:
        raise UsageError(
            "EVENTLOG_KERNEL=native: the native kernel is not installed; `make setup` builds it where cargo is "
            "there, or set EVENTLOG_KERNEL=auto"
        )
    return None if wanted == "python" else eventlog_kernel
