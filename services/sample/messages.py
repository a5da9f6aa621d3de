"""What the notebooks say: event sources, messages and their data, and the spellings of `cat`."""

from __future__ import annotations

from typing import NamedTuple

import orjson

LEVELS = ("Info", "Warning", "Error", "Critical")
FIRST_ERROR_LEVEL = LEVELS.index("Error")
SPELLINGS = (
    ("Info", "INFO", "info ", "Information"),
    ("Warning", "WARNING", " warning", "Warning "),
    ("Error", "ERROR", "error", " Error "),
    ("Critical", "CRITICAL", "critical ", "critical"),
)
"""For each level; the first is by far the most frequent."""


class Message(NamedTuple):
    """JSON text around two numbers: fragments[0] n fragments[1] m fragments[2], n and m drawn from [low, high)."""

    fragments: tuple[str, str, str]
    ranges: tuple[tuple[int, int], tuple[int, int]]


_TEXTS: tuple[tuple[tuple[str, str, str, tuple[int, int], tuple[int, int]], ...], ...] = (
    (
        ("Service", "Service entered the running state", '{"Code":n,"Pid":m}', (7036, 7041), (400, 30_000)),
        ("Battery", "Charge level changed", '{"Charge":n,"State":{"Cycles":m}}', (1, 101), (1, 1_400)),
        ("Kernel-Power", "Entering sleep", '{"Reason":n,"State":{"Target":m}}', (0, 8), (0, 5)),
        ("Update", "Installation succeeded", '{"Kb":n,"Hresult":m}', (5_000_000, 5_060_000), (0, 1)),
        ("WLAN", "Connected to network", '{"Signal":n,"Adapter":{"Channel":m}}', (20, 100), (1, 165)),
        ("Thermal", "Fan speed changed", '{"Rpm":n,"Zone":{"Celsius":m.5}}', (0, 5_200), (35, 70)),
    ),
    (
        ("disk", "An error was detected during a paging operation", '{"Disk":n,"Lba":m}', (0, 2), (0, 2_000_000_000)),
        ("Thermal", "Processor speed limited by firmware", '{"Percent":n,"Zone":{"Celsius":m.0}}', (20, 90), (85, 106)),
        ("Battery", "Full charge capacity low", '{"Design":n,"Full":m}', (48_000, 72_000), (15_000, 40_000)),
        ("WHEA-Logger", "Corrected hardware error", '{"Bank":n,"Apic":{"Id":m}}', (0, 24), (0, 32)),
    ),
    (
        ("disk", "The device has a bad block", '{"Disk":n,"Lba":m,"Smart":[5,197]}', (0, 2), (0, 2_000_000_000)),
        ("WHEA-Logger", "Uncorrected PCI Express error", '{"Bus":n,"Device":{"Id":m}}', (0, 255), (4_096, 65_536)),
        ("Display", "Display driver stopped responding", '{"Timeout":n,"Adapter":{"Id":m}}', (2, 12), (1, 4)),
        ("Application", "Faulting module", '{"Pid":n,"Offset":m}', (400, 30_000), (4_096, 16_777_216)),
    ),
    (
        ("Kernel-Power", "Rebooted without clean shutdown", '{"Code":n,"Button":{"Held":m}}', (0, 400), (0, 2)),
        ("BugCheck", "The computer rebooted from a bugcheck", '{"Code":n,"Args":[m,0,0]}', (10, 400), (0, 9_999_999)),
        ("Thermal", "Shut down at critical temperature", '{"Celsius":n,"Zone":{"Id":m}}', (99, 118), (0, 6)),
    ),
)  # fmt: skip


def _message(level: str, source: str, message: str, data: str) -> tuple[str, str, str]:
    """The data template holds `:n` and then `m`, which stand for the numbers."""
    head = orjson.dumps({"Source": source, "Level": level, "Message": message}).decode()[1:-1]
    before, rest = data.split(":n", 1)
    place = max(rest.rfind(":m"), rest.rfind("[m")) + 1
    return f'{head},"Data":{before}:', rest[:place], rest[place + 1 :]


MESSAGES = tuple(
    Message(_message(level, source, message, data), (first, second))
    for level, texts in zip(LEVELS, _TEXTS, strict=True)
    for source, message, data, first, second in texts
)
FIRST_OF_LEVEL = tuple(sum(len(texts) for texts in _TEXTS[:level]) for level in range(len(LEVELS) + 1))
"""Where each level begins in MESSAGES, and the end."""
