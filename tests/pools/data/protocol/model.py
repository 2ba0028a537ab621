"""The load protocol (docs/architecture/load-protocol.md) as a small exact model: one table, two shards, a few loads, readers.

Everything durable is in ``State``; what a crash loses is in it too (what a client or a coordinator knows), so that a crash is a step that
forgets. A lost answer is a step whose effect stands while nobody learned of it; a message that comes late or twice is a step that stays
enabled. Rows are labels: ``(load, r)`` is row r of a load, ``BASE`` the row that each shard has at first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

SHARDS = (0, 1)
BASE = "base"
NONE, STAGED, SEALED, ABORTED = 0, 1, 2, 3
PUBLISHED = 10
"""Of a segment: PUBLISHED + v is published at version v."""

OPEN, PREPARED, COMMITTED = "open", "prepared", "committed"
GONE = "aborted"

Rows = tuple[tuple[object, int], ...]


@dataclass(frozen=True)
class LoadSpec:
    """One load of a scenario."""

    mode: str = "append"
    """``append``, ``overwrite``; ``modify`` and ``upsert``: end the base row of each shard and add one of their own, at once or when they
    are sealed; ``move``: brings all rows to shard 0; ``keyed``: an append whose rows have the keys of all other keyed loads' rows."""

    attempts: tuple[tuple[int, ...], ...] = ((0, 1),)
    """Per attempt of its one partition: the shards that it brings a row to."""

    runs: int = 1
    """How often the client asks for the commit, each time of another coordinator."""

    sql: bool = False
    """Part of a transaction of the master, which decides."""

    quick: bool = False
    """Begin and the puts of its first attempt are one step: for scenarios that are about what comes then."""

    pins: bool = False
    """Its transaction has read something before its first write: its snapshot may be older than its begin. With ``quick`` only."""

    same_id_as: int | None = None
    """Carries the ``load_id`` of that load: its driver died and a new one writes the same again."""

    @property
    def replaces(self) -> bool:
        return self.mode in ("overwrite", "move")


@dataclass(frozen=True)
class Scenario:
    """Loads, and the mutations of the protocol that are on: none of them in the real one."""

    loads: tuple[LoadSpec, ...]
    mutations: frozenset[str] = field(default_factory=frozenset)
    lost_answers: bool = True
    crashes: bool = True


class Load(NamedTuple):
    """A row of bdc.data_loads; ``generation``: that it writes into. ``wrote``: where its rows really went; ``copied``: those of a move."""

    status: str = ""
    version: int = 0
    generation: int = 0
    applied: bool = False
    wrote: int = 0
    copied: Rows = ()


class Client(NamedTuple):
    """``phase``: new, writing, committing, dead (or done with it). ``acks``: (attempt, shard) of puts that were answered."""

    phase: str = "new"
    acks: frozenset[tuple[int, int]] = frozenset()
    winner: int = -1
    pin: tuple[int, tuple[tuple[int, int], ...]] | None = None
    """Snapshot and pending loads of its transaction, until it has begun."""


class Run(NamedTuple):
    """A coordinator at work on one commit. ``step``: idle, seal, decided (and answered), failed, dead."""

    step: str = "idle"
    sealed: frozenset[int] = frozenset()
    number: int = 0


class Reader(NamedTuple):
    """What a reader pinned, and what there was to see at that moment. No part of the state: all that a reader changes (a shard publishes
    what the ticket calls pending) is what the sweep does too."""

    snapshot: int
    pending: tuple[tuple[int, int], ...]
    truth: Rows


class State(NamedTuple):
    """All of it."""

    clock: int
    head: int
    loads: tuple[Load, ...]
    segments: tuple[tuple[tuple[int, ...], ...], ...]
    """[load][attempt][shard]"""

    ended: tuple[int, ...]
    """Per shard the load that ended its base row, -1: none."""

    clients: tuple[Client, ...]
    runs: tuple[tuple[Run, ...], ...]
    transactions: tuple[str, ...]
    """Of SQL loads, in the master: running, committed, aborted."""


def start(scenario: Scenario) -> State:
    """Nothing has happened."""
    specs = scenario.loads
    return State(
        clock=0,
        head=0,
        loads=tuple(Load() for _ in specs),
        segments=tuple(tuple((NONE, NONE) for _ in spec.attempts) for spec in specs),
        ended=(-1, -1),
        clients=tuple(Client() for _ in specs),
        runs=tuple(tuple(Run() for _ in range(spec.runs)) for spec in specs),
        transactions=tuple("running" if spec.sql else "" for spec in specs),
    )


def put_in(values: tuple, place: int, value: object) -> tuple:  # type: ignore[type-arg]
    """The tuple with one value replaced."""
    return (*values[:place], value, *values[place + 1 :])


def with_load(state: State, load: int, **changes: object) -> State:
    """With a changed row of the master's."""
    return state._replace(loads=put_in(state.loads, load, state.loads[load]._replace(**changes)))  # type: ignore[arg-type]


def with_client(state: State, load: int, **changes: object) -> State:
    """With a changed client."""
    return state._replace(clients=put_in(state.clients, load, state.clients[load]._replace(**changes)))  # type: ignore[arg-type]


def with_run(state: State, load: int, run: int, **changes: object) -> State:
    """With a changed coordinator."""
    changed = put_in(state.runs[load], run, state.runs[load][run]._replace(**changes))  # type: ignore[arg-type]
    return state._replace(runs=put_in(state.runs, load, changed))


def with_segments(state: State, load: int, shard: int, values: tuple[int, ...]) -> State:
    """With the load's segments on one shard (one per attempt) as given. The base row lives again when what ended it is aborted."""
    changed = tuple(put_in(row, shard, value) for row, value in zip(state.segments[load], values, strict=True))
    state = state._replace(segments=put_in(state.segments, load, changed))
    if state.ended[shard] == load and all(value in (NONE, ABORTED) for value in values):
        state = state._replace(ended=put_in(state.ended, shard, -1))
    return state


def on_shard(state: State, load: int, shard: int) -> tuple[int, ...]:
    """The load's segments on a shard, one per attempt."""
    return tuple(row[shard] for row in state.segments[load])


# What a shard does when it is told to; each of them can be told again.


def publish(state: State, load: int, shard: int, version: int, mutations: frozenset[str]) -> State:
    """Sealed segments become visible."""
    takes = (SEALED, STAGED) if "publish_takes_staged" in mutations else (SEALED,)
    values = on_shard(state, load, shard)
    return with_segments(state, load, shard, tuple(PUBLISHED + version if value in takes else value for value in values))


def abort(state: State, load: int, shard: int) -> State:
    """What is not published goes."""
    return with_segments(
        state, load, shard, tuple(ABORTED if value in (STAGED, SEALED) else value for value in on_shard(state, load, shard))
    )


def seal(scenario: Scenario, state: State, load: int, shard: int, winner: int) -> State | None:
    """The winner is sealed, the others go. None: the shard refuses, as the winner is not there, others were sealed before, or another load
    has ended a row that an upsert ends, or has brought its key."""
    mutations = scenario.mutations
    values = on_shard(state, load, shard)
    if values[winner] in (NONE, ABORTED):
        return state if "seal_checks_nothing" in mutations else None
    if any(value == SEALED for attempt, value in enumerate(values) if attempt != winner) and "reseal" not in mutations:
        return None
    if scenario.loads[load].mode == "upsert" and state.loads[load].generation == 0:
        if state.ended[shard] not in (-1, load):
            return None
        state = state._replace(ended=put_in(state.ended, shard, load))
    if scenario.loads[load].mode == "keyed" and key_is_taken(scenario, state, load, shard):
        return None
    sealed = tuple(
        (SEALED if value == STAGED else value) if attempt == winner else (NONE if value == NONE else ABORTED)
        for attempt, value in enumerate(values)
    )
    return with_segments(state, load, shard, sealed)


def key_is_taken(scenario: Scenario, state: State, load: int, shard: int) -> bool:
    """By rows that are visible, or sealed: those may become visible at any time."""
    if "key_not_checked" in scenario.mutations:
        return False
    least = PUBLISHED if "key_only_of_visible_rows" in scenario.mutations else SEALED
    others = (other for other, spec in enumerate(scenario.loads) if other != load and spec.mode == "keyed")
    return any(value >= least and value != ABORTED for other in others for value in on_shard(state, other, shard))


# What readers see, and what they should.


def placed(scenario: Scenario, state: State) -> int:
    """The version since which the table lies on shard 0 only; 0: on all."""
    return max(
        (row.version for row, spec in zip(state.loads, scenario.loads, strict=True) if spec.mode == "move" and row.status == COMMITTED),
        default=0,
    )


def visible(scenario: Scenario, state: State, snapshot: int, shards: tuple[int, ...] = SHARDS) -> Rows:
    """What these shards answer at a snapshot, all together: rows with how often they come."""
    seen: Counter[object] = Counter()
    for shard in shards:
        generation = generation_at(scenario, state, snapshot, shard)
        for load, spec in enumerate(scenario.loads):
            row = state.loads[load]
            for attempt, value in enumerate(on_shard(state, load, shard)):
                if PUBLISHED < value <= PUBLISHED + snapshot and row.wrote == generation:
                    seen.update(dict(row.copied) if spec.mode == "move" else [(load, spec.attempts[attempt].index(shard))])
        ended = state.ended[shard]
        gone = ended >= 0 and any(PUBLISHED < value <= PUBLISHED + snapshot for value in on_shard(state, ended, shard))
        if generation == 0 and not gone:
            seen[(BASE, shard)] += 1
    return as_rows(seen)


def generation_at(scenario: Scenario, state: State, snapshot: int, shard: int) -> int:
    """The table's generation on a shard, as the published segments there tell."""
    found = (0, 0)
    for load, spec in enumerate(scenario.loads):
        if spec.replaces:
            values = [value for value in on_shard(state, load, shard) if PUBLISHED < value <= PUBLISHED + snapshot]
            found = max([found, *((value, state.loads[load].generation) for value in values)])
    return found[1]


def truth(scenario: Scenario, state: State) -> Rows:
    """What a reader that begins now must see: all loads that are decided, in the order of their versions; a prepared one whose
    transaction has committed is, and its version is the next one."""
    decided = [
        (load.version if load.status == COMMITTED else state.clock + 1 + number, number)
        for number, load in enumerate(state.loads)
        if load.status == COMMITTED or (load.status == PREPARED and state.transactions[number] == "committed")
    ]
    rows: Counter[object] = Counter((BASE, shard) for shard in SHARDS)
    for _, number in sorted(decided):
        spec = scenario.loads[number]
        if spec.mode == "move":
            continue
        if spec.replaces:
            rows.clear()
        elif spec.mode in ("modify", "upsert"):
            rows -= Counter((BASE, shard) for shard in SHARDS)
        rows.update((number, row) for row in range(len(spec.attempts[0])))
    return as_rows(rows)


def as_rows(counted: Counter[object]) -> Rows:
    """Hashable and in order."""
    return tuple(sorted(((row, count) for row, count in counted.items() if count), key=repr))


def read(state: State, pending: tuple[tuple[int, int], ...], shard: int, mutations: frozenset[str]) -> State:
    """The shard publishes the pending loads of the ticket that it has sealed, before it answers."""
    if "reader_without_pending" not in mutations:
        for load, version in pending:
            state = publish(state, load, shard, version, mutations)
    return state
