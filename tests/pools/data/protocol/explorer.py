"""Goes through every state that a scenario can reach, breadth first, so that the first violation found has a short story; then lets a
reader pin in every state and look from every state that can follow.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from tests.pools.data.protocol.model import COMMITTED, GONE, SHARDS, Reader, Scenario, State, placed, read, start, truth, visible
from tests.pools.data.protocol.steps import pinned, recovered, steps, undecided


class InvariantError(AssertionError):
    """The invariant that broke, and the steps that led there."""


@dataclass
class Explored:
    """States by number, and how they follow each other."""

    states: list[State] = field(default_factory=list)
    names: list[tuple[int, str]] = field(default_factory=list)
    """Per state where it was reached from first, and by which step."""

    follows: list[list[int]] = field(default_factory=list)
    looks: int = 0
    """How many pairs of a pinned reader and a later state were checked."""

    @property
    def transitions(self) -> int:
        return sum(len(after) for after in self.follows)

    def story(self, number: int) -> list[str]:
        """The steps that led to a state."""
        names = []
        while number:
            number, name = self.names[number]
            names.append(name)
        return names[::-1]


def broken(scenario: Scenario, state: State) -> str | None:
    """The invariant about loads and clients that this state breaks, if any."""
    for load, row in enumerate(state.loads):
        spec = scenario.loads[load]
        former = spec.same_id_as
        twin = None if former is None else state.loads[former].status
        if spec.sql and state.transactions[load] == "committed" and row.status == GONE:
            return f"load {load}: lost, though the master's transaction has committed"
        if spec.sql and state.transactions[load] != "committed" and row.status == COMMITTED:
            return f"load {load}: committed without the master's transaction"
        if row.status == twin == COMMITTED:
            return f"loads {former} and {load} have one load_id, and both are committed"
    keyed = [load for load, row in enumerate(state.loads) if row.status == COMMITTED and scenario.loads[load].mode == "keyed"]
    return f"load {keyed[0]} and load {keyed[1]} have brought the same keys" if len(keyed) > 1 else None


def left_over(scenario: Scenario, state: State) -> str | None:
    """When all die here and the sweep is through, nothing is undecided, and what is there is what was decided."""
    final = recovered(scenario, state)
    if undecided(final):
        return f"undecided after recovery: {final.segments} {final.loads}"
    shards = SHARDS[:1] if placed(scenario, final) else SHARDS
    seen, wanted = visible(scenario, final, final.clock, shards), truth(scenario, final)
    return None if seen == wanted else f"after recovery {seen} is there instead of {wanted}"


def seen_wrongly(scenario: Scenario, state: State, reader: Reader) -> str | None:
    """A pinned reader sees on all shards what there was when it pinned, whatever happened since; it knows where the table lies now, and is
    refused where that was decided after its snapshot."""
    since = placed(scenario, state)
    if since > reader.snapshot and "placement_not_checked" not in scenario.mutations:
        return None
    shards = SHARDS[:1] if since else SHARDS
    for shard in shards:
        state = read(state, reader.pending, shard, scenario.mutations)
    seen = visible(scenario, state, reader.snapshot, shards)
    return None if seen == reader.truth else f"the reader of {reader.snapshot} sees {seen} instead of {reader.truth}"


def explore(scenario: Scenario, limit: int = 1_000_000) -> Explored:
    """All states, all readers; InvariantError with the story. ``limit`` guards against a scenario that is too big."""
    explored = explore_states(scenario, limit)
    explore_readers(scenario, explored)
    return explored


def explore_states(scenario: Scenario, limit: int) -> Explored:
    """Breadth first. What recovery makes of a state does not depend on clients and coordinators, who are dead by then."""
    first = start(scenario)
    explored, numbers, sound = Explored([first], [(0, "")]), {first: 0}, set()
    for number, state in enumerate(explored.states):  # the list grows meanwhile
        problem = broken(scenario, state)
        durable = state._replace(clients=(), runs=())
        if problem is None and durable not in sound:
            problem = left_over(scenario, state)
            sound.add(durable)
        if problem is not None:
            raise InvariantError("\n".join([problem, *explored.story(number)]))
        after_it = []
        for name, after in steps(scenario, state):
            for load, row in enumerate(state.loads):
                if row.status in (COMMITTED, GONE) and after.loads[load][:2] != row[:2]:
                    raise InvariantError("\n".join([f"load {load}: a decision was changed", *explored.story(number), name]))
            if after not in numbers:
                numbers[after] = len(explored.states)
                explored.states.append(after)
                explored.names.append((number, name))
            after_it.append(numbers[after])
        explored.follows.append(after_it)
        if len(explored.states) > limit:
            raise ValueError(f"more than {limit} states")
    return explored


def explore_readers(scenario: Scenario, explored: Explored) -> None:
    """Every reader looks from the state in which it pinned and from all that follow."""
    held: list[dict[Reader, int]] = [{} for _ in explored.states]
    """Per state the readers that may be there, with the state in which they pinned."""

    queue: deque[tuple[int, Reader]] = deque()
    for number, state in enumerate(explored.states):
        reader = pinned(scenario, state)
        held[number][reader] = number
        queue.append((number, reader))
    right: set[tuple[object, ...]] = set()
    while queue:
        number, reader = queue.popleft()
        state, pinned_in = explored.states[number], held[number][reader]
        looked = (state.segments, state.ended, tuple((load.wrote, load.copied) for load in state.loads), placed(scenario, state), reader)
        explored.looks += 1
        if looked not in right:
            problem = seen_wrongly(scenario, state, reader)
            if problem is not None:
                lines = [problem, *explored.story(number), f"(it pinned after: {explored.story(pinned_in)[-1:]})"]
                raise InvariantError("\n".join(lines))
            right.add(looked)
        for after in explored.follows[number]:
            if reader not in held[after]:
                held[after][reader] = pinned_in
                queue.append((after, reader))
