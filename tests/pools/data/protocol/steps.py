"""Every step that can happen next, by party. A step is (name, next state)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.pools.data.protocol.model import (
    ABORTED,
    COMMITTED,
    GONE,
    NONE,
    OPEN,
    PREPARED,
    PUBLISHED,
    SEALED,
    SHARDS,
    STAGED,
    Load,
    Reader,
    Scenario,
    State,
    abort,
    generation_at,
    on_shard,
    placed,
    publish,
    put_in,
    read,
    seal,
    truth,
    visible,
    with_client,
    with_load,
    with_run,
    with_segments,
)  # fmt: skip

Step = tuple[str, State]


def steps(scenario: Scenario, state: State) -> Iterator[Step]:
    """All of them."""
    for load in range(len(scenario.loads)):
        yield from client_steps(scenario, state, load)
        yield from task_steps(scenario, state, load)
        for run in range(len(state.runs[load])):
            yield from coordinator_steps(scenario, state, load, run)
        yield from transaction_steps(scenario, state, load)
        yield from sweep_steps(scenario, state, load)


# The client (driver, SQL session) and its tasks.


def client_steps(scenario: Scenario, state: State, load: int) -> Iterator[Step]:
    """Begin, commit, ask again, give up, die."""
    client = state.clients[load]
    if client.phase == "dead":
        return
    if client.phase == "new":
        pins = scenario.loads[load].pins and client.pin is None
        yield from pin_steps(scenario, state, load) if pins else begin_steps(scenario, state, load)
        return
    if client.phase == "writing":
        for attempt, shards in enumerate(scenario.loads[load].attempts):
            if all((attempt, shard) in client.acks for shard in shards) or "seal_checks_nothing" in scenario.mutations:
                chosen = with_client(state, load, phase="committing", winner=attempt, acks=frozenset())
                yield f"load {load}: the client commits attempt {attempt}", with_run(chosen, load, 0, step="seal")
        yield (
            f"load {load}: the client aborts",
            with_client(aborted_by_client(scenario, state, load), load, phase="dead", acks=frozenset()),
        )
    if client.phase == "committing":
        for number in range(1, len(state.runs[load])):
            if state.runs[load][number].step == "idle" and state.runs[load][number - 1].step != "idle":
                yield f"load {load}: the client asks another coordinator", with_run(state, load, number, step="seal")
    if scenario.crashes and (client.phase == "writing" or any(run.step == "idle" for run in state.runs[load])):
        yield f"load {load}: the client dies", with_client(state, load, phase="dead", acks=frozenset())


def pin_steps(scenario: Scenario, state: State, load: int) -> Iterator[Step]:
    """Its transaction reads something, before it writes."""
    reader = pinned(scenario, state)
    yield (
        f"load {load}: its transaction pins a snapshot",
        with_client(resolved(state, scenario), load, pin=(reader.snapshot, reader.pending)),
    )


def begin_steps(scenario: Scenario, state: State, load: int) -> Iterator[Step]:
    """A load_id begun again ends the open load of its former driver; a committed one leaves nothing to do."""
    former = scenario.loads[load].same_id_as
    if former is not None:
        if state.loads[former].status == "":
            return
        if state.loads[former].status == COMMITTED:
            yield f"load {load}: begun before, and committed", with_client(state, load, phase="dead")
            return
        if state.loads[former].status == OPEN and "load_id_shared" not in scenario.mutations:
            state = with_load(state, former, status=GONE)
    if must_wait(scenario, state, load):
        return
    generation = load + 1 if scenario.loads[load].replaces else state.head
    begun = state._replace(loads=put_in(state.loads, load, Load(OPEN, 0, generation, wrote=generation)))
    if scenario.loads[load].quick:
        for shard in scenario.loads[load].attempts[0]:
            put = staged(scenario, begun, load, 0, shard)
            if put is None:
                return
            begun = with_client(put, load, acks=begun.clients[load].acks | {(0, shard)})
    yield f"load {load}: begin", with_client(begun, load, phase="writing", pin=None)


def must_wait(scenario: Scenario, state: State, load: int) -> bool:
    """While a move is under way no other load begins, and a move waits for prepared ones. (After a move others would write to other shards
    than their scenario says: none begins.)"""
    if placed(scenario, state):
        return True
    if scenario.loads[load].mode != "move":
        return moving(scenario, state, load)
    return any(row.status == PREPARED for row in state.loads) and "move_overtakes_prepared" not in scenario.mutations


def moving(scenario: Scenario, state: State, load: int) -> bool:
    """Is another load moving the table?"""
    return any(spec.mode == "move" and state.loads[n].status == OPEN for n, spec in enumerate(scenario.loads) if n != load)


def aborted_by_client(scenario: Scenario, state: State, load: int) -> State:
    """At the master first; the shards are told by the sweep."""
    if state.loads[load].status == OPEN:
        state = with_load(state, load, status=GONE)
    return state


def task_steps(scenario: Scenario, state: State, load: int) -> Iterator[Step]:
    """Put, at any time: a task that nobody waits for any more writes too. A repeated put answers what stands."""
    if state.loads[load].status == "":
        return
    client, spec = state.clients[load], scenario.loads[load]
    for attempt, shards in enumerate(spec.attempts):
        for shard in shards:
            value = state.segments[load][attempt][shard]
            after = staged(scenario, state, load, attempt, shard) if value == NONE else state
            if after is None or value == ABORTED:
                continue
            if value == NONE and (scenario.lost_answers or client.phase != "writing"):
                yield f"load {load}: put of attempt {attempt} on shard {shard}, not answered", after
            if client.phase == "writing" and (attempt, shard) not in client.acks:
                yield (
                    f"load {load}: put of attempt {attempt} on shard {shard}",
                    with_client(after, load, acks=client.acks | {(attempt, shard)}),
                )


def staged(scenario: Scenario, state: State, load: int, attempt: int, shard: int) -> State | None:
    """None: refused, because another load has ended the row that this one ends, or the rows that its snapshot sees were replaced."""
    mode, mutations = scenario.loads[load].mode, scenario.mutations
    if mode == "modify":
        seen = state.loads[load].generation
        if (pin := state.clients[load].pin) is not None:
            state = read(state, pin[1], shard, mutations)
            seen = generation_at(scenario, state, pin[0], shard)
        if seen != state.loads[load].generation and "modify_of_any_generation" not in mutations:
            return None
        if state.ended[shard] not in (-1, load):
            return None
        state = with_load(state, load, wrote=seen)
        if seen == 0:
            state = state._replace(ended=put_in(state.ended, shard, load))
    if mode == "move":
        reader = pinned(scenario, state)
        state = resolved(state, scenario)
        for one in SHARDS:
            state = read(state, reader.pending, one, mutations)
        state = with_load(state, load, copied=visible(scenario, state, reader.snapshot))
    values = put_in(on_shard(state, load, shard), attempt, STAGED)
    return with_segments(state, load, shard, values)


# The coordinator of one commit: seal on all participants, decide. What it publishes then is what the sweep publishes.


def participants(scenario: Scenario, state: State, load: int) -> tuple[int, ...]:
    """Where it seals."""
    spec = scenario.loads[load]
    return SHARDS if spec.mode == "overwrite" else spec.attempts[state.clients[load].winner]


def coordinator_steps(scenario: Scenario, state: State, load: int, run: int) -> Iterator[Step]:
    """Until it is done, or dead."""
    mine, name = state.runs[load][run], f"load {load}, coordinator {run}"
    if mine.step == "seal":
        where = participants(scenario, state, load)
        for shard in where:
            if shard not in mine.sealed:
                yield from seal_steps(scenario, state, load, run, shard)
        if mine.sealed >= set(where):
            yield from decide_steps(scenario, state, load, run)
    if scenario.crashes and mine.step == "seal":
        yield f"{name}: dies", with_run(state, load, run, step="dead", sealed=frozenset())


def seal_steps(scenario: Scenario, state: State, load: int, run: int, shard: int) -> Iterator[Step]:
    """A refusal makes the coordinator abort the load, at the master first."""
    mine, name = state.runs[load][run], f"load {load}, coordinator {run}"
    after = seal(scenario, state, load, shard, state.clients[load].winner)
    if after is None:
        yield (
            f"{name}: shard {shard} refuses",
            with_run(aborted_by_client(scenario, state, load), load, run, step="failed", sealed=frozenset()),
        )
        return
    yield f"{name}: seal on shard {shard}", with_run(after, load, run, sealed=mine.sealed | {shard})
    if scenario.lost_answers and after != state:
        yield f"{name}: seal on shard {shard}, not answered", after


def decide_steps(scenario: Scenario, state: State, load: int, run: int) -> Iterator[Step]:
    """The master's compare-and-set; then the coordinator knows, or died before the answer came."""
    mine, name = state.runs[load][run], f"load {load}, coordinator {run}"
    if "number_without_lock" in scenario.mutations and mine.number == 0:
        yield f"{name}: takes a number", with_run(state._replace(clock=state.clock + 1), load, run, number=state.clock + 1)
        return
    if "publish_before_decide" in scenario.mutations:
        for shard in participants(scenario, state, load):
            early = publish(state, load, shard, state.clock + 1, scenario.mutations)
            if early != state:
                yield f"{name}: publish on shard {shard} before the decision", early
                return
    after = decide(scenario, state, load, mine.number)
    if after is None:
        return  # waits for a prepared one
    yield f"{name}: decide", with_run(after, load, run, step="decided", sealed=frozenset(), number=0)
    if scenario.lost_answers and scenario.loads[load].sql:  # else it makes no difference: who publishes is the sweep, here
        yield f"{name}: decide, not answered", with_run(after, load, run, step="dead", sealed=frozenset())


def decide(scenario: Scenario, state: State, load: int, number: int = 0) -> State | None:
    """``bdc.pool_decide_load``. None: it waits, since a prepared load is as good as a lock on the table."""
    row, spec = state.loads[load], scenario.loads[load]
    if row.status != OPEN and not (row.status == GONE and "decide_overwrites" in scenario.mutations):
        return state
    state = resolved(state, scenario)
    if spec.sql and state.transactions[load] != "running":
        return with_load(state, load, status=GONE)
    if not spec.replaces and row.generation != state.head and "generation_not_checked" not in scenario.mutations:
        return with_load(state, load, status=GONE)
    if spec.mode == "overwrite" and placed(scenario, state) and "overwrite_of_any_placement" not in scenario.mutations:
        return with_load(state, load, status=GONE)
    if moving(scenario, state, load) and "moves_lock_nothing" not in scenario.mutations:
        return with_load(state, load, status=GONE)
    others = [n for n, other in enumerate(state.loads) if other.status == PREPARED and n != load]
    if any(spec.replaces or scenario.loads[other].replaces for other in others) and "prepared_is_no_lock" not in scenario.mutations:
        return None
    if spec.sql and "not_prepared" not in scenario.mutations:
        return with_load(state, load, status=PREPARED)
    return committed(scenario, state, load, number)


def committed(scenario: Scenario, state: State, load: int, number: int = 0) -> State:
    """Under the clock's lock: the next number, and the table's generation where the load replaces it."""
    version = number or state.clock + 1
    state = with_load(state, load, status=COMMITTED, version=version)._replace(clock=max(state.clock, version))
    return state._replace(head=state.loads[load].generation) if scenario.loads[load].replaces else state


def resolved(state: State, scenario: Scenario) -> State:
    """Prepared loads follow their transaction."""
    for load, row in enumerate(state.loads):
        if row.status == PREPARED and state.transactions[load] == "committed":
            state = committed(scenario, state, load)
        elif row.status == PREPARED and state.transactions[load] == "aborted":
            state = with_load(state, load, status=GONE)
    return state


# The master's own transaction behind a load of SQL.


def transaction_steps(scenario: Scenario, state: State, load: int) -> Iterator[Step]:
    """It commits when the remote COMMIT was answered; it can be rolled back, or lost in a crash, until then and after."""
    if state.transactions[load] != "running" or state.loads[load].status == "":
        return
    said_yes = any(run.step == "decided" for run in state.runs[load]) and state.loads[load].status in (PREPARED, COMMITTED)
    if said_yes:
        done = state._replace(transactions=put_in(state.transactions, load, "committed"))
        yield f"load {load}: the master's transaction commits", done
    if scenario.crashes or not said_yes:
        failed = state._replace(transactions=put_in(state.transactions, load, "aborted"))
        yield f"load {load}: the master's transaction is rolled back", with_client(failed, load, phase="dead", acks=frozenset())


# The sweep of any replica, and what a reader gets.


def sweep_steps(scenario: Scenario, state: State, load: int) -> Iterator[Step]:
    """Expire, resolve, bring the shards to what was decided, mark as applied."""
    row = state.loads[load]
    if row.status == OPEN:
        if "sweep_asks_nobody" in scenario.mutations:
            for shard in SHARDS:
                after = abort(state, load, shard)
                if after != state:
                    yield f"sweep: load {load} looks expired, abort on shard {shard}", after
        yield f"sweep: load {load} expires", with_load(state, load, status=GONE)
    if row.status == PREPARED and (after := resolved(state, scenario)) != state:
        yield "sweep: prepared loads are resolved", after
    if row.status in (COMMITTED, GONE):
        for shard in SHARDS:
            after = swept(scenario, state, load, shard)
            if after != state:
                yield f"sweep: load {load} on shard {shard}", after
        if not row.applied and (is_applied(state, load) or "applied_too_early" in scenario.mutations):
            yield f"load {load} is applied", with_load(state, load, applied=True)


def swept(scenario: Scenario, state: State, load: int, shard: int) -> State:
    """Publish what was committed; what was not sealed, or not committed, goes."""
    row = state.loads[load]
    if row.status == COMMITTED and "sweep_aborts_committed" not in scenario.mutations:
        state = publish(state, load, shard, row.version, scenario.mutations)
    return abort(state, load, shard)


def is_applied(state: State, load: int) -> bool:
    """All participants have answered: nothing is sealed any more."""
    return all(value not in (SEALED,) for shard in SHARDS for value in on_shard(state, load, shard))


def pinned(scenario: Scenario, state: State) -> Reader:
    """``bdc.pool_snapshot()``: prepared loads are resolved first, then clock and pending loads are read."""
    seen = truth(scenario, state)
    if "snapshot_resolves_nothing" not in scenario.mutations:
        state = resolved(state, scenario)
    pending = tuple((n, row.version) for n, row in enumerate(state.loads) if row.status == COMMITTED and not row.applied)
    return Reader(state.clock, pending, seen)


def recovered(scenario: Scenario, state: State) -> State:
    """After everybody died and the sweep went over it all: transactions rolled back, open loads expired, shards told."""
    state = state._replace(transactions=tuple("aborted" if status == "running" else status for status in state.transactions))
    state = resolved(state, scenario)
    for load, row in enumerate(state.loads):
        if row.status == OPEN:
            state = with_load(state, load, status=GONE)
        if state.loads[load].status:
            for shard in SHARDS:
                state = swept(scenario, state, load, shard)
            state = with_load(state, load, applied=True)
    return state


def undecided(state: State) -> bool:
    """Is there anything left that is neither visible nor gone?"""
    segments = any(value in (STAGED, SEALED) for load in state.segments for row in load for value in row)
    return (
        segments
        or any(row.status in (OPEN, PREPARED) for row in state.loads)
        or any(v == PUBLISHED for load in state.segments for row in load for v in row)
    )
