"""How bad an event is, read from its category."""

from functools import lru_cache
from typing import Literal

from services.contracts.text import WHITE_SPACE

Severity = Literal["critical", "error", "warning", "other"]


@lru_cache(maxsize=4096)
def severity(cat: str | None) -> Severity:
    """The severity of a category; critical events are errors too."""
    match (cat or "").strip(WHITE_SPACE).casefold():
        case "critical":
            return "critical"
        case "error":
            return "error"
        case "warning":
            return "warning"
        case _:
            return "other"
