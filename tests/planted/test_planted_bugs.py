"""Ten bugs planted in the heart, one by one: each is caught by the comparison with the reference, or by a ledger."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from services.clean import dedup, event_key, events, job
from services.contracts.errors import LedgerError
from tests.drops import Chain, assert_follows_reference
from tests.planted.drop import drops


class InPython(NamedTuple):
    """A change of a function's text, made in the function itself, so that it holds wherever that was imported."""

    function: Any
    right: str
    wrong: str

    def plant(self, patched: pytest.MonkeyPatch) -> None:
        source = textwrap.dedent(inspect.getsource(self.function))
        assert source.count(self.right) == 1, (
            f"{self.right!r} stands {source.count(self.right)} times in {self.function}"
        )
        made: dict[str, Any] = dict(self.function.__globals__)
        exec(compile(source.replace(self.right, self.wrong), "planted", "exec"), made)
        patched.setattr(self.function, "__code__", made[self.function.__name__].__code__)


class InSql(NamedTuple):
    """A change of a statement's text as it is read."""

    name: str
    right: str
    wrong: str

    def plant(self, patched: pytest.MonkeyPatch) -> None:
        read_text = Path.read_text

        def read_wrong(path: Path, *args: Any, **kwargs: Any) -> str:
            text = read_text(path, *args, **kwargs)
            if path.name != self.name:
                return text
            assert text.count(self.right) == 1, f"{self.right!r} stands {text.count(self.right)} times in {self.name}"
            return text.replace(self.right, self.wrong)

        patched.setattr(Path, "read_text", read_wrong)


BUGS: dict[str, InPython | InSql] = {
    "wrong priority": InPython(
        events.read_events_python,
        "(time_stamps, log_times, ts)",
        "(time_stamps, ts, log_times)",
    ),
    "an open window end": InPython(events.Rules.plausible, "time <= self.highest_us", "time < self.highest_us"),
    "a lost tie rule": InPython(
        dedup.judge,
        '(some["source_row"].to_numpy(), _byte_ranks(some["source_file"]), unknown,',
        '(some["source_row"].to_numpy(), unknown,',
    ),
    "a volatile field kept": InPython(event_key.content_hashes, "in volatile:", 'in set(volatile) - {"SeqNo"}:'),
    "keys unsorted": InPython(event_key.canonical, "repeat(orjson.OPT_SORT_KEYS)", "repeat(0)"),
    "UNKNOWN preferred": InPython(dedup.judge, 'some["is_unknown"].to_numpy()', '~some["is_unknown"].to_numpy()'),
    "dedup per pn": InPython(
        job._Build._write_devices,
        "judge(judged)",
        'judge(judged.set_column(0, "service_tag", pa.array(map("{} {}".format, judged["service_tag"].to_pylist(), pn))))',
    ),
    "std over n": InSql("device_features.sql", "(k * (k - 1))", "(k * k)"),
    "mode ties reversed": InSql("device_features.sql", "ORDER BY events DESC, pn)", "ORDER BY events DESC, pn DESC)"),
    "a row dropped": InPython(dedup.judge, "verdict.kept[members[~first]] = False", "verdict.kept[members] = False"),
}


@pytest.fixture
def compare(chain: Chain) -> Callable[[], None]:
    """Runs the chain over the small drop and compares everything with the reference."""

    def run() -> None:
        for week, files in drops().items():
            chain.drop(files, week)
        chain.run(*drops(), kernel="python")
        assert_follows_reference(chain, drops())

    return run


def test_without_a_bug_the_reference_agrees(compare: Callable[[], None]) -> None:
    compare()


def test_there_are_ten_bugs() -> None:
    assert len(BUGS) == 10


@pytest.mark.planted_bug
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug: str, compare: Callable[[], None]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        BUGS[bug].plant(patched)
        with pytest.raises((AssertionError, LedgerError)) as caught:
            compare()
    assert "times in" not in str(caught.value), caught.value
