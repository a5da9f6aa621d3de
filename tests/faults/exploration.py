"""Every state that writers and a changing source can bring a lake into, visited once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.faults.replay import ROWS, Call, Done, Publish, Version, World, answer, manifest_of, next_step

Step = str


class Found(NamedTuple):
    """What an exploration saw."""

    states: int
    wrong: str | None
    """The first violation, with the way there."""


class _State(NamedTuple):
    world: World
    writers: tuple[int, ...]
    """Each writer's history, by its number."""
    settled: bool
    """A run that began after the drop's last change has ended well."""
    losses: int
    """Writes that may still be lost, or their answers."""


class Explorer:
    """Runs writers over one world, in every order of their calls."""

    def __init__(self, publish: Publish, *, stamped: bool = True) -> None:
        self._publish, self._stamped = publish, stamped
        self._numbers: dict[tuple[Any, ...], int] = {(): 0}
        self._histories: list[tuple[Any, ...]] = [()]
        self._steps: dict[int, Call | Done] = {}
        self._sound: set[World] = set()

    def explore(self, sources: tuple[Version, ...], writers: int, published: bool, *, losses: int = 0) -> Found:
        """All states from an empty lake, or from one that holds the first source."""
        world = World((), sources)
        if published:
            world = self.run_alone(world)[0]
        first = _State(world, (0,) * writers, settled=False, losses=losses)
        came_from: dict[_State, tuple[_State, Step] | None] = {first: None}
        waiting = deque([first])
        while waiting:
            state = waiting.popleft()
            if wrong := self._wrong(state):
                return Found(len(came_from), f"{wrong}: {' > '.join(_way(came_from, state))}")
            for after, step in self._followers(state):
                if after not in came_from:
                    came_from[after] = (state, step)
                    waiting.append(after)
        return Found(len(came_from), None)

    def run_alone(self, world: World) -> tuple[World, str]:
        """One writer from start to end; the world after it, and how it ended."""
        writer = 0
        while isinstance(call := self._step(writer), Call):
            world, given = answer(world, call)
            writer = self._after(writer, given)
        return world, call.said

    def _followers(self, state: _State) -> Iterator[tuple[_State, Step]]:
        if len(state.world.sources) > 1:
            world = state.world._replace(sources=state.world.sources[1:])
            yield state._replace(world=world, settled=False), f"the drop becomes {world.sources[0]}"
        for place, writer in enumerate(state.writers):
            call = self._step(writer)
            if isinstance(call, Done):
                continue
            for world, given, fate in self._fates(state, call):
                after = self._after(writer, given)
                settled = state.settled or self._settles(after, world)
                writers = (*state.writers[:place], after, *state.writers[place + 1 :])
                step = f"W{place + 1} {call.name} {call.key.rpartition('/')[2]}{fate}"
                yield _State(world, writers, settled, state.losses - bool(fate)), step

    def _fates(self, state: _State, call: Call) -> Iterator[tuple[World, Any, str]]:
        done = answer(state.world, call)
        yield *done, ""
        if state.losses and call.name == "put":
            yield done[0], None, " (answer lost)"
            yield state.world, None, " (lost)"

    def _settles(self, writer: int, world: World) -> bool:
        """Whether this writer has ended well, and last saw the drop as it is there for good."""
        ended = self._step(writer)
        if len(world.sources) > 1 or not isinstance(ended, Done) or ended.said not in ("published", "unchanged"):
            return False
        return [given for given in self._histories[writer] if given in ROWS][-1] == world.sources[0]

    def _wrong(self, state: _State) -> str | None:
        world = state.world
        if state.settled and world.rows() != ROWS[world.sources[0]]:
            return f"a settled lake holds {world.rows()}"
        if world in self._sound:
            return None
        self._sound.add(world)
        after, said = self.run_alone(world)
        if said not in ("published", "unchanged"):
            return f"a rerun ends with {said}"
        if after.rows() != ROWS[world.sources[0]]:
            return f"a rerun leaves {after.rows()}"
        named = {output["key"]: output["etag"] for output in (manifest_of(after) or {"outputs": []})["outputs"]}
        if any(dict(after.objects)[key].etag != etag for key, etag in named.items()):
            return "a rerun's manifest names other objects"
        return None

    def _step(self, writer: int) -> Call | Done:
        if writer not in self._steps:
            self._steps[writer] = next_step(self._publish, self._histories[writer], stamped=self._stamped)
        return self._steps[writer]

    def _after(self, writer: int, given: Any) -> int:
        history = (*self._histories[writer], given)
        if history not in self._numbers:
            self._numbers[history] = len(self._histories)
            self._histories.append(history)
        return self._numbers[history]


def _way(came_from: dict[_State, tuple[_State, Step] | None], state: _State) -> list[Step]:
    steps = []
    while (before := came_from[state]) is not None:
        state, step = before
        steps.append(step)
    return steps[::-1]
