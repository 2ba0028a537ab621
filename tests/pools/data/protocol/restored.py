"""A master that is restored to an older state beside newer shards (docs/architecture/load-protocol.md, "An older master"): one database,
two shards, one replica that decides loads, publishes them and reads, and a copy of the master that somebody makes at any moment and puts
in its place at any later one.

A load is a number of its own; the version that it gets is the master's next one, and an older master gives numbers again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

SHARDS = (0, 1)
MAY_BE_AWAY = (1,)
LOADS = 2
STARTS = 2

Mutations = frozenset[str]
Versions = frozenset[tuple[int, int]]
"""(load, version)"""


class Asking(NamedTuple):
    """A comparison under way: the start of the master it is for, what shards have told (None: away), and the master's clock where that was
    asked first (a mutation)."""

    start: int
    told: tuple[int | None, ...] = ()
    clock: int | None = None


class State(NamedTuple):
    """``saved``: the copy. ``sure``: (start of the master, shards) of the replica's last comparison; ``behind``: what it concluded."""

    clock: int = 0
    decided: Versions = frozenset()
    saved: tuple[int, Versions] | None = None
    start: int = 1
    begun: int = 0
    shards: tuple[Versions, ...] = (frozenset(), frozenset())
    away: frozenset[int] = frozenset()
    sure: tuple[int, frozenset[int]] = (0, frozenset())
    asking: Asking | None = None
    behind: bool = False


def newest(state: State, shard: int) -> int:
    return max((version for _, version in state.shards[shard]), default=0)


def may_read(state: State, shard: int, mutations: Mutations) -> bool:
    """The replica signs a read ticket for this shard."""
    start, shards = state.sure
    return "not_compared" in mutations or (shard in shards and (start == state.start or "starts_not_told" in mutations))


def may_decide(state: State, shard: int, mutations: Mutations) -> bool:
    """A load that writes to one shard only."""
    every = (shard,) if "only_written_shards" in mutations else SHARDS
    return all(may_read(state, one, mutations) for one in every)


def steps(state: State, mutations: Mutations = frozenset()) -> Iterator[tuple[str, State]]:
    """Everything that can happen next."""
    yield from master_steps(state)
    for shard in SHARDS:
        if shard in MAY_BE_AWAY:
            yield f"shard {shard} goes or comes", state._replace(away=state.away ^ {shard})
        if state.begun < LOADS and may_decide(state, shard, mutations) and shard not in state.away:
            yield f"a load into shard {shard}", decided(state)
        if state.begun < LOADS and shard not in state.away and not any(lost(state)):
            yield f"a load into shard {shard}, by another replica that has compared", decided(state)
        for load, version in state.decided - state.shards[shard]:
            if shard not in state.away:
                there = tuple(of | {(load, version)} if number == shard else of for number, of in enumerate(state.shards))
                yield f"load {load} is published on shard {shard}", state._replace(shards=there)
    yield from replica_steps(state, mutations)


def lost(state: State) -> list[Versions]:
    """By shard: what the master knows nothing of."""
    return [of - state.decided for of in state.shards]


def decided(state: State) -> State:
    version = state.clock + 1
    return state._replace(clock=version, decided=state.decided | {(state.begun, version)}, begun=state.begun + 1)


def master_steps(state: State) -> Iterator[tuple[str, State]]:
    if state.saved is None:
        yield "the master is copied", state._replace(saved=(state.clock, state.decided))
    if state.start < STARTS:
        yield "the master is started anew", state._replace(start=state.start + 1)
        if state.saved is not None:
            clock, loads = state.saved
            yield "the copy takes its place", state._replace(start=state.start + 1, clock=clock, decided=loads)


def replica_steps(state: State, mutations: Mutations) -> Iterator[tuple[str, State]]:
    """One comparison at a time: the shards, one after the other, then the master."""
    asking = state.asking
    if asking is None:
        if state.sure != (state.start, frozenset(SHARDS)):
            clock = state.clock if "master_first" in mutations else None
            yield "a comparison begins", state._replace(asking=Asking(state.start, (), clock), behind=False)
    elif len(asking.told) < len(SHARDS):
        shard = len(asking.told)
        told = None if shard in state.away else newest(state, shard)
        yield f"shard {shard} tells {told}", state._replace(asking=asking._replace(told=(*asking.told, told)))
    else:
        yield "the master tells its clock", concluded(state, asking, mutations)


def concluded(state: State, asking: Asking, mutations: Mutations) -> State:
    over = state._replace(asking=None)
    clock = state.clock if asking.clock is None else asking.clock
    if asking.start != state.start:
        return over
    if clock < max(version or 0 for version in asking.told):
        return over._replace(behind=True, sure=(state.start, frozenset()))
    told = {shard for shard, version in zip(SHARDS, asking.told, strict=True) if version is not None or "away_is_sure" in mutations}
    known = state.sure[1] if state.sure[0] == state.start else frozenset()
    return over._replace(sure=(state.start, known | told))


def broken(state: State, mutations: Mutations = frozenset()) -> str | None:
    """What may be read is known to the master; who is told that the master is behind has lost something."""
    for shard in SHARDS:
        if lost(state)[shard] and may_read(state, shard, mutations):
            return f"shard {shard} is read, with {sorted(lost(state)[shard])} that the master knows nothing of"
    if state.behind and not any(lost(state)):
        return "the master is said to be behind, and is not"
    return None
