"""The refill of a replicated table (docs/architecture/load-protocol.md) as a model of its own: two shards that both have all rows, one
load, shards that lose their folder at any moment, refills that are begun, left and begun again, readers of either shard.

A shard has an identity, another one after each loss; the master has the identities that hold the table. What lies on a shard is a set of
entries; one of a refill holds what it copied. Put and seal are one step here: model.py has what can come between them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

SHARDS = (0, 1)
REFILLS = 2
SEALED, PUBLISHED = 1, 10
"""PUBLISHED + v: at version v."""

NEW, OPEN, COMMITTED, GONE = "", "open", "committed", "aborted"
LOAD, BASE = "load", "base"

Rows = tuple[tuple[str, int], ...]
Mutations = frozenset[str]


class Entry(NamedTuple):
    """Rows on a shard, by whom and into which generation."""

    by: str
    generation: int
    value: int
    rows: Rows


class Write(NamedTuple):
    """A load, or a refill (``target``: the identities that it writes to; ``copied``: what it has read). ``sealed``: where that was
    answered."""

    status: str = NEW
    version: int = 0
    generation: int = 0
    placed: int = 0
    target: tuple[int, ...] = ()
    copied: Rows | None = None
    sealed: tuple[int, ...] = ()
    applied: bool = False


class State(NamedTuple):
    """``identities``: the shards' own. ``table``: those that the master has."""

    identities: tuple[int, ...] = (0, 0)
    shards: tuple[frozenset[Entry], ...] = (frozenset({Entry(BASE, 0, PUBLISHED, ((BASE, 1),))}),) * 2
    table: tuple[int, ...] = (0, 0)
    clock: int = 0
    head: int = 0
    placed: int = 0
    writes: tuple[Write, ...] = (Write(),) * (1 + REFILLS)
    """The load, then the refills."""

    losses: int = 1
    """That may come still."""


class Reader(NamedTuple):
    """What a reader pinned: snapshot, pending writes, the table's identities; and what there was to see."""

    snapshot: int
    pending: tuple[tuple[str, int], ...]
    table: tuple[int, ...]
    truth: Rows


def name(write: int) -> str:
    """Of the load, or of a refill."""
    return f"refill {write}" if write else LOAD


def changed(state: State, write: int, **values: object) -> State:
    """With another row in the master."""
    new = state.writes[write]._replace(**values)  # type: ignore[arg-type]
    return state._replace(writes=(*state.writes[:write], new, *state.writes[write + 1 :]))


def on(state: State, shard: int, entries: frozenset[Entry]) -> State:
    """With this on a shard."""
    return state._replace(shards=tuple(entries if one == shard else kept for one, kept in enumerate(state.shards)))


def turned(entries: frozenset[Entry], by: str, of: int, into: int | None) -> frozenset[Entry]:
    """Entries of a writer in one state go into another, or away."""
    found = {one for one in entries if (one.by, one.value) == (by, of)}
    return (entries - found) | ({one._replace(value=into) for one in found} if into is not None else set())


def pending(state: State) -> tuple[tuple[str, int], ...]:
    """Committed, and not known to be published everywhere."""
    return tuple((name(n), one.version) for n, one in enumerate(state.writes) if one.status == COMMITTED and not one.applied)


def visible(entries: frozenset[Entry], snapshot: int, told: tuple[tuple[str, int], ...]) -> Rows:
    """What a shard answers."""
    for by, version in told:
        entries = turned(entries, by, SEALED, PUBLISHED + version)
    seen = [one for one in entries if PUBLISHED <= one.value <= PUBLISHED + snapshot]
    generation = max((one.value, one.generation) for one in seen if one.by != LOAD)[1] if any(one.by != LOAD for one in seen) else 0
    rows: Counter[str] = Counter()
    for one in seen:
        if one.generation == generation:
            rows.update(dict(one.rows))
    return tuple(sorted(rows.items()))


def truth(state: State) -> Rows:
    """What is decided."""
    return tuple(sorted([(BASE, 1), *([(LOAD, 1)] if state.writes[0].status == COMMITTED else [])]))


def moving(state: State) -> bool:
    """Is a refill under way?"""
    return any(one.status == OPEN for one in state.writes[1:])


def serves(state: State, shard: int, table: tuple[int, ...], mutations: Mutations) -> bool:
    """Does the ticket fit the shard?"""
    return state.identities[shard] == table[shard] or "identity_not_checked" in mutations


def steps(state: State, mutations: Mutations) -> Iterator[tuple[str, State]]:
    """All that can happen next."""
    if state.losses:
        for shard in SHARDS:
            identities = tuple(number + (one == shard) for one, number in enumerate(state.identities))
            yield f"shard {shard} loses its folder", on(state, shard, frozenset())._replace(identities=identities, losses=state.losses - 1)
    for number, write in enumerate(state.writes):
        if write.status == NEW:
            yield from begun(state, number)
        elif write.status == OPEN:
            yield from written(state, number, mutations)
            yield f"{name(number)} expires", changed(state, number, status=GONE)
        else:
            yield from swept(state, number)


def begun(state: State, number: int) -> Iterator[tuple[str, State]]:
    """A refill where a shard is another one than the master has, and one is not; it ends the one before."""
    if number == 0:
        if not moving(state):
            yield "load begins", changed(state, 0, status=OPEN, generation=state.head, placed=state.placed, target=state.table)
        return
    kept = [one == known for one, known in zip(state.identities, state.table, strict=True)]
    if any(kept) and not all(kept) and (number == 1 or state.writes[number - 1].status != NEW):
        for former in range(1, number):
            if state.writes[former].status == OPEN:
                state = changed(state, former, status=GONE)
        yield f"{name(number)} begins", changed(state, number, status=OPEN, generation=number, target=state.identities)


def written(state: State, number: int, mutations: Mutations) -> Iterator[tuple[str, State]]:
    """A refill copies first; then put and seal on both, decide."""
    write, by = state.writes[number], name(number)
    if number and write.copied is None:
        for source in SHARDS:
            if state.identities[source] == state.table[source] or "any_source" in mutations:
                rows = visible(state.shards[source], state.clock, pending(state))
                yield f"{by} copies from shard {source}", changed(state, number, copied=rows)
        return
    for shard in SHARDS:
        if shard not in write.sealed and serves(state, shard, write.target, mutations):
            entry = Entry(by, write.generation, SEALED, write.copied or ((LOAD, 1),))
            sealed = on(state, shard, state.shards[shard] | {entry})
            yield f"{by} is sealed on shard {shard}", changed(sealed, number, sealed=tuple(sorted({*write.sealed, shard})))
    needed = 1 if number == 0 and "one_replica_suffices" in mutations else len(SHARDS)
    if len(write.sealed) >= needed:
        yield f"{by} is decided", decided(state, number, mutations)


def decided(state: State, number: int, mutations: Mutations) -> State:
    """The master's compare-and-set."""
    write, version = state.writes[number], state.clock + 1
    if number == 0:
        stale = write.generation != state.head or write.placed != state.placed
        if stale or (moving(state) and "refill_locks_nothing" not in mutations):
            return changed(state, 0, status=GONE)
        return changed(state, 0, status=COMMITTED, version=version)._replace(clock=version)
    done = changed(state, number, status=COMMITTED, version=version)
    return done._replace(clock=version, head=write.generation, table=write.target, placed=version)


def swept(state: State, number: int) -> Iterator[tuple[str, State]]:
    """Each shard that the table has now is told; when all have answered the write is applied."""
    write, by = state.writes[number], name(number)
    into = PUBLISHED + write.version if write.status == COMMITTED else None
    for shard in SHARDS:
        after = turned(state.shards[shard], by, SEALED, into)
        if after != state.shards[shard] and state.identities[shard] == state.table[shard]:
            yield f"{by} is told to shard {shard}", on(state, shard, after)
    whole = state.identities == state.table and not any(one.by == by and one.value == SEALED for on_it in state.shards for one in on_it)
    if write.status == COMMITTED and not write.applied and whole:
        yield f"{by} is applied", changed(state, number, applied=True)


def pinned(state: State) -> Reader:
    """A reader begins."""
    return Reader(state.clock, pending(state), state.table, truth(state))


def seen_wrongly(state: State, reader: Reader, mutations: Mutations) -> str | None:
    """From any shard that takes the ticket of the catalog at its pin, or of now (unless the table was placed anew since)."""
    for table in {reader.table, state.table} if state.placed <= reader.snapshot else {reader.table}:
        for shard in SHARDS:
            if serves(state, shard, table, mutations):
                seen = visible(state.shards[shard], reader.snapshot, reader.pending)
                if seen != reader.truth:
                    return f"shard {shard} answers {seen} instead of {reader.truth} at {reader.snapshot}"
    return None
