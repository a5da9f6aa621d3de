"""Structured logs on stderr: JSON for machines, coloured lines for a terminal.

A log line never holds a row's content, a service tag or a secret.
"""

import logging
import sys
from typing import Any

# structlog would import rich for tracebacks that no log here shows: a tenth of a stage's start.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
import structlog  # noqa: E402

if sys.modules["rich"] is None:
    del sys.modules["rich"]


def configure_logs(verbosity: int) -> None:
    """Set up logging once per process; verbosity -1 warnings only, 0 the story of the run, 1 debug."""
    level = {-1: logging.WARNING, 0: logging.INFO}.get(verbosity, logging.DEBUG)
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if sys.stderr.isatty():
        processors.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
        processors.append(_over_a_progress_bar)
    else:
        processors += [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _over_a_progress_bar(_logger: Any, _method: str, line: str) -> str:
    return f"\r\x1b[K{line}"
