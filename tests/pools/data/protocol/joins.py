"""A load that the tasks of one driver share (``join``): micro-batches of a stream, begun by whichever task comes first.

Two runs of one query at the same batch: the second took up the checkpoint while tasks and driver of the first may still be alive. Each run
has two tasks; both write under the same ``load_id``, and only one load of that name may be committed, with all tasks of one run. The runs'
rows lie on different shards (the turn of a round robin is not the same), so that no shard sees a contradiction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

TASKS = RUNS = (0, 1)
OPEN, COMMITTED, GONE = "open", "committed", "aborted"
Mutations = frozenset[str]


class Load(NamedTuple):
    """``client``: the run that began it; ``staged``: (run, task) whose rows the shards have; ``sealed``: those that were named."""

    client: int
    status: str = OPEN
    staged: frozenset[tuple[int, int]] = frozenset()
    sealed: frozenset[tuple[int, int]] = frozenset()


class State(NamedTuple):
    """``tasks``: [run][task], the load that it was told, and whether it is done; ``drivers``: running, sealing, over."""

    loads: tuple[Load, ...] = ()
    tasks: tuple[tuple[tuple[int, bool] | None, ...], ...] = ((None, None), (None, None))
    drivers: tuple[str, ...] = ("running", "running")


def put_in(values: tuple, place: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (*values[:place], value, *values[place + 1 :])


def steps(state: State, mutations: Mutations = frozenset()) -> Iterator[tuple[str, State]]:
    """Everything that can happen next."""
    for run in RUNS:
        for task in TASKS:
            yield from task_steps(state, run, task, mutations)
        yield from driver_steps(state, run, mutations)
    for number, load in enumerate(state.loads):
        if load.status == OPEN:
            yield f"load {number} expires", with_load(state, number, load._replace(status=GONE))


def with_load(state: State, number: int, load: Load) -> State:
    return state._replace(loads=put_in(state.loads, number, load))


def with_task(state: State, run: int, task: int, value: tuple[int, bool]) -> State:
    return state._replace(tasks=put_in(state.tasks, run, put_in(state.tasks[run], task, value)))


def task_steps(state: State, run: int, task: int, mutations: Mutations) -> Iterator[tuple[str, State]]:
    """Begin or join, put. Tasks go on without their driver."""
    told = state.tasks[run][task]
    if told is None:
        begun, number = joined(state, run, mutations)
        done = begun.loads[number].status == COMMITTED  # then there is nothing to do
        yield f"run {run} task {task} gets load {number}", with_task(begun, run, task, (number, done))
        return
    number, done = told
    load = state.loads[number]
    if load.status == OPEN and (run, task) not in load.sealed and not done:
        put = with_load(state, number, load._replace(staged=load.staged | {(run, task)}))
        yield f"run {run} task {task} puts", with_task(put, run, task, (number, True))
        yield f"run {run} task {task} puts, not answered", put


def joined(state: State, run: int, mutations: Mutations) -> tuple[State, int]:
    """``begin`` with join: the committed load of that name, the open one of the same client, or a new one in place of another's."""
    for number, load in enumerate(state.loads):
        if load.status == COMMITTED or (load.status == OPEN and (load.client == run or "any_client_joins" in mutations)):
            return state, number
    for number, load in enumerate(state.loads):
        if load.status == OPEN and "two_open_ones" not in mutations:
            state = with_load(state, number, load._replace(status=GONE))
    return state._replace(loads=(*state.loads, Load(run))), len(state.loads)


def driver_steps(state: State, run: int, mutations: Mutations) -> Iterator[tuple[str, State]]:
    """All its tasks have told their load: one and the same, or it gives up. Then seal and decide."""

    def driver(phase: str, after: State = state) -> State:
        return after._replace(drivers=put_in(after.drivers, run, phase))

    tasks = [told for told in state.tasks[run] if told is not None]
    if state.drivers[run] == "over" or len(tasks) < len(TASKS) or not all(done for _, done in tasks):
        return
    number, load = tasks[0][0], state.loads[tasks[0][0]]
    mine = frozenset((run, task) for task, (of, _) in enumerate(tasks) if of == number)
    if len(mine) < len(TASKS) and "loads_not_compared" not in mutations:
        yield f"driver {run}: its tasks wrote into several loads", driver("over")
    elif load.status != OPEN or not mine <= load.staged:
        yield f"driver {run} is refused, or finds it done", driver("over")
    elif not mine <= load.sealed:
        yield f"driver {run} seals load {number}", driver("sealing", with_load(state, number, load._replace(sealed=load.sealed | mine)))
    else:
        yield f"driver {run} decides load {number}", driver("over", with_load(state, number, load._replace(status=COMMITTED)))
    yield f"driver {run} dies", driver("over")


def broken(state: State) -> str | None:
    """At most one load of the name is committed, with all tasks of one run, once each."""
    there = [load for load in state.loads if load.status == COMMITTED]
    if len(there) > 1:
        return f"{len(there)} loads of one name are committed"
    wholes = [frozenset((run, task) for task in TASKS) for run in RUNS]
    return next((f"committed with {sorted(load.sealed)}" for load in there if load.sealed not in wholes), None)
