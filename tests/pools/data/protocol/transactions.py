"""A transaction of SQL as the load protocol has it: one load over two tables, its statements and savepoints, messages that come late.

On each shard is a base row of either table. The session sends a statement to all shards and goes on when all have answered; it may give
up on one, and roll back to its savepoint while the message is still under way. Somebody else may overwrite a table at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

TABLES = (0, 1)
BASE = -1
"""Segment of the rows that were there."""

NONE, STAGED, SEALED, ABORTED, PUBLISHED = "none", "staged", "sealed", "aborted", "published"
Seen = tuple[tuple[int, int, str], ...]
"""(table, shard, row)."""


class Op(NamedTuple):
    """``insert`` and ``modify`` go to all shards; ``savepoint`` comes once, ``rollback`` goes back to it."""

    kind: str
    table: int = 0

    @property
    def writes(self) -> bool:
        return self.kind in ("insert", "modify")


@dataclass(frozen=True)
class Scenario:
    """``rival``: the table that somebody overwrites."""

    script: tuple[Op, ...]
    rival: int | None = None
    mutations: frozenset[str] = field(default_factory=frozenset)
    shards: int = 2


class Row(NamedTuple):
    """A row on a shard; ``dead``: the segment (a statement's number) that ended it, None: none."""

    table: int
    generation: int
    name: str
    seg: int
    dead: int | None = None


class State(NamedTuple):
    """``at``: the session's present statement; ``answered``: by these shards; ``kept``: statements that stand, in their order."""

    segments: tuple[tuple[str, ...], ...]
    """[shard][statement]"""

    rows: tuple[frozenset[Row], ...]
    """[shard]"""

    at: int = 0
    phase: str = "running"
    """running, rolling (back to the savepoint), sealing, decided, over (or dead)"""

    answered: frozenset[int] = frozenset()
    flight: frozenset[tuple[int, int]] = frozenset()
    """(statement, shard) of messages under way."""

    fences: tuple[int, ...] = ()
    """[shard]: the last statement that was sent when it was told to roll back; forgotten by a restart, with all messages."""

    kept: tuple[int, ...] = ()
    taken: tuple[tuple[int, int], ...] = ()
    """(table, generation) as it was when the load took the table up."""

    status: str = "open"
    version: int = 0
    applied: bool = False
    rival: int = 0
    """The version of the other writer's load."""

    clock: int = 0

    @property
    def shards(self) -> range:
        return range(len(self.rows))

    @property
    def all_have_answered(self) -> bool:
        return len(self.answered) == len(self.rows)


class Reader(NamedTuple):
    """What it pinned, and what there was to see then."""

    snapshot: int
    pending: tuple[int, ...]
    """Tables of the load, if that is committed and not applied."""

    truth: Seen


def start(scenario: Scenario) -> State:
    shards = range(scenario.shards)
    rows = tuple(frozenset(Row(table, 0, "base", BASE) for table in TABLES) for _ in shards)
    return State(tuple(tuple(NONE for _ in scenario.script) for _ in shards), rows, fences=tuple(-1 for _ in shards))


def put_in(values: tuple, place: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (*values[:place], value, *values[place + 1 :])


def savepoint(scenario: Scenario) -> int:
    """The statement from which on everything is of the savepoint."""
    return next((n for n, op in enumerate(scenario.script) if op.kind == "savepoint"), len(scenario.script))


# A shard


def carried_out(scenario: Scenario, state: State, statement: int, shard: int) -> State | None:
    """The message has arrived. None: refused. A statement that is there answers again, and changes nothing."""
    known = state.segments[shard][statement]
    if known == ABORTED or state.phase in ("decided",) or SEALED in state.segments[shard]:
        return None
    op = scenario.script[statement]
    if known != NONE and not (op.kind == "insert" and "asked_again_runs_twice" in scenario.mutations):
        return state
    fenced = savepoint(scenario) < statement <= state.fences[shard]
    blind = "late_is_carried_out" in scenario.mutations or ("late_streams_are_kept" in scenario.mutations and op.kind == "insert")
    if fenced and not blind:
        return None
    generation = dict(state.taken)[op.table]
    rows = state.rows[shard]
    if op.kind == "insert":
        rows |= {Row(op.table, generation, f"row {statement}{'again' if known != NONE else ''}", statement)}
    else:
        if generation:  # its snapshot is from the transaction's begin: it sees the rows of another generation
            return None
        for row in own(state, shard, op.table):
            rows = rows - {row} | {row._replace(dead=statement), Row(op.table, 0, row.name + "'", statement)}
    segments = put_in(state.segments, shard, put_in(state.segments[shard], statement, STAGED))
    return state._replace(rows=put_in(state.rows, shard, rows), segments=segments)


def own(state: State, shard: int, table: int) -> list[Row]:
    """The rows of generation 0 that the load itself sees."""

    def counts(seg: int | None) -> bool:
        return seg is not None and (seg == BASE or (seg >= 0 and state.segments[shard][seg] == STAGED))

    there = (row for row in state.rows[shard] if (row.table, row.generation) == (table, 0))
    return [row for row in there if counts(row.seg) and not counts(row.dead)]


def given_up(state: State, shard: int, since: int) -> State:
    """Staged and sealed → aborted, of the statements from ``since`` on."""
    mine = tuple(ABORTED if n >= since and one in (STAGED, SEALED) else one for n, one in enumerate(state.segments[shard]))
    return state._replace(segments=put_in(state.segments, shard, mine))


def sealed(scenario: Scenario, state: State, shard: int) -> State | None:
    """One transaction for all tables: streams that are named, changes whether named or not; all others are aborted. None: refused."""
    named = [n for n in state.kept if scenario.script[n].kind == "insert"]
    if any(state.segments[shard][n] not in (STAGED, SEALED) for n in named):
        return None
    tables = TABLES[:1] if "first_table_is_sealed" in scenario.mutations else TABLES

    def after(n: int, one: str) -> str:
        op = scenario.script[n]
        if one != STAGED or op.table not in tables:
            return one
        return SEALED if op.kind == "modify" or n in named else ABORTED

    mine = tuple(after(n, one) for n, one in enumerate(state.segments[shard]))
    return state._replace(segments=put_in(state.segments, shard, mine))


def published(state: State, shard: int) -> State:
    mine = tuple({SEALED: PUBLISHED, STAGED: ABORTED}.get(one, one) for one in state.segments[shard])
    return state._replace(segments=put_in(state.segments, shard, mine))


# Everything that can happen next


def steps(scenario: Scenario, state: State) -> Iterator[tuple[str, State]]:
    yield from session_steps(scenario, state)
    yield from shard_steps(scenario, state)
    if state.phase == "sealing":
        yield from commit_steps(scenario, state)
    if scenario.rival is not None and not state.rival:
        version = state.clock + 1
        yield f"somebody overwrites table {scenario.rival}", state._replace(rival=version, clock=version)
    if state.status == "open" and state.taken:
        yield "the load expires", state._replace(status="aborted")
    yield from sweep_steps(state)


def session_steps(scenario: Scenario, state: State) -> Iterator[tuple[str, State]]:
    """The client's statements one after the other."""
    if state.phase == "rolling":
        yield from rolling_steps(scenario, state)
    if state.phase != "running":
        return
    if state.at == len(scenario.script):
        if state.taken:
            yield "COMMIT", state._replace(phase="sealing")
        return
    op = scenario.script[state.at]
    if not op.writes:
        yield (op.kind, rolling(state) if op.kind == "rollback" else state._replace(at=state.at + 1))
        return
    waiting = {(state.at, shard) for shard in state.shards if shard not in state.answered}
    if not waiting:
        yield f"{op.kind} {state.at} is answered", state._replace(at=state.at + 1, answered=frozenset(), kept=(*state.kept, state.at))
        return
    if not waiting <= state.flight:
        yield f"{op.kind} {state.at} is sent", taken_up(scenario, state)._replace(flight=state.flight | waiting)
    if savepoint(scenario) < state.at:
        yield f"{op.kind} {state.at} fails for the session", rolling(state)
    yield "the session ends", state._replace(phase="over")


def taken_up(scenario: Scenario, state: State) -> State:
    """The table becomes part of the load, in its present generation."""
    table = scenario.script[state.at].table
    if table in dict(state.taken):
        return state
    return state._replace(taken=(*state.taken, (table, 1 if state.rival and scenario.rival == table else 0)))


def rolling(state: State) -> State:
    return state._replace(phase="rolling", answered=frozenset())


def rolling_steps(scenario: Scenario, state: State) -> Iterator[tuple[str, State]]:
    """ROLLBACK TO: all shards are told; then it goes on behind the script's rollback, or behind the statement that failed."""
    since, sent = savepoint(scenario), max([n for n, op in enumerate(scenario.script) if op.writes and n <= state.at], default=-1)
    for shard in state.shards:
        if shard not in state.answered:
            told = state if "rollback_tells_no_shard" in scenario.mutations else given_up(state, shard, since)
            told = told._replace(fences=put_in(state.fences, shard, sent), answered=state.answered | {shard})
            yield f"shard {shard} rolls back to the savepoint", told
    if state.all_have_answered:
        back = next((n for n, op in enumerate(scenario.script) if op.kind == "rollback" and n >= state.at), state.at)
        kept = tuple(n for n in state.kept if n < since)
        yield "rolled back", state._replace(phase="running", at=back + 1, answered=frozenset(), kept=kept)


def shard_steps(scenario: Scenario, state: State) -> Iterator[tuple[str, State]]:
    """Messages arrive, are answered or not; shards restart."""
    for statement, shard in sorted(state.flight):
        landed = state._replace(flight=state.flight - {(statement, shard)})
        after = carried_out(scenario, landed, statement, shard)
        if after is None:
            yield f"shard {shard} refuses statement {statement}", landed
            continue
        if after != landed:
            yield f"shard {shard} carries out statement {statement}, not answered", after
        if state.phase == "running" and statement == state.at:
            yield f"shard {shard} answers statement {statement}", after._replace(answered=state.answered | {shard})
    for shard in state.shards:
        gone = state._replace(flight=frozenset(one for one in state.flight if one[1] != shard), fences=put_in(state.fences, shard, -1))
        if gone != state:
            yield f"shard {shard} restarts", gone


def commit_steps(scenario: Scenario, state: State) -> Iterator[tuple[str, State]]:
    """Seal on all shards, decide; or the coordinator dies."""
    for shard in state.shards:
        after = sealed(scenario, state, shard)
        if after is None:
            yield f"shard {shard} refuses to seal", state._replace(phase="over")
        elif shard not in state.answered:
            yield f"seal on shard {shard}", after._replace(answered=state.answered | {shard})
    if state.all_have_answered and state.status == "open":
        yield "decide", decided(scenario, state)
    yield "the coordinator dies", state._replace(phase="over")


def decided(scenario: Scenario, state: State) -> State:
    """Each table of the load must be in the generation that it had."""
    tables = state.taken[:1] if "first_table_decides" in scenario.mutations else state.taken
    if any(generation != (1 if state.rival and scenario.rival == table else 0) for table, generation in tables):
        return state._replace(status="aborted", phase="over")
    return state._replace(status="committed", version=state.clock + 1, clock=state.clock + 1, phase="decided")


def sweep_steps(state: State) -> Iterator[tuple[str, State]]:
    """Decided loads are published or aborted on each shard, at any time; then applied."""
    if state.status == "open":
        return
    for shard in state.shards:
        after = published(state, shard) if state.status == "committed" else given_up(state, shard, 0)
        if after != state:
            yield f"the end of the load is told to shard {shard}", after
    if not state.applied and not any(SEALED in mine for mine in state.segments):
        yield "the load is applied", state._replace(applied=True)


# Readers


def pinned(scenario: Scenario, state: State) -> Reader:
    pending = tuple(table for table, _ in state.taken) if state.status == "committed" and not state.applied else ()
    return Reader(state.clock, pending, truth(scenario, state))


def truth(scenario: Scenario, state: State) -> Seen:
    """The statements that stand, if the load is committed, and the other writer's overwrite, in the order of their versions."""
    seen = {(table, shard): ["base"] for table in TABLES for shard in state.shards}
    loads = [(state.rival, "rival")] if state.rival else []
    for _, which in sorted(loads + ([(state.version, "load")] if state.status == "committed" else [])):
        for table, shard in seen:
            if which == "rival" and table == scenario.rival:
                seen[table, shard] = ["new"]
            for n in state.kept if which == "load" else ():
                op = scenario.script[n]
                if op.table == table:
                    names = seen[table, shard]
                    seen[table, shard] = [*names, f"row {n}"] if op.kind == "insert" else [name + "'" for name in names]
    return tuple(sorted((table, shard, name) for (table, shard), names in seen.items() for name in names))


def visible(scenario: Scenario, state: State, reader: Reader) -> Seen:
    """What all shards answer about both tables."""
    found = []
    for table in TABLES:
        told = reader.pending[:1] if "pending_of_the_first_table" in scenario.mutations else reader.pending
        overwritten = scenario.rival == table and 0 < state.rival <= reader.snapshot
        for shard in state.shards:
            counts = published(state, shard) if table in told and 0 < state.version <= reader.snapshot else state
            there = (row for row in state.rows[shard] if (row.table, row.generation) == (table, int(overwritten)))
            seen = (row for row in there if sees(counts, shard, row.seg, reader) and not sees(counts, shard, row.dead, reader))
            found += [(table, shard, row.name) for row in seen] + [(table, shard, "new")] * overwritten
    return tuple(sorted(found))


def sees(state: State, shard: int, seg: int | None, reader: Reader) -> bool:
    """Is the segment part of the snapshot?"""
    if seg is None or seg < 0:
        return seg == BASE
    return state.segments[shard][seg] == PUBLISHED and state.version <= reader.snapshot


def recovered(state: State) -> State:
    """All die; the sweep goes over everything."""
    state = state._replace(status="aborted" if state.status == "open" else state.status, phase="over", flight=frozenset())
    for shard in state.shards:
        state = published(state, shard) if state.status == "committed" else given_up(state, shard, 0)
    return state._replace(applied=True)
