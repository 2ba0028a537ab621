"""Who dies when: each crash point of docs/architecture/load-protocol.md that has the coordinator in it.

A coordinator that dies between two steps is one of the test's own process, left after the first: it keeps nothing that another needs.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import psycopg
import pytest
from pyarrow import flight

from pools.compute.catalogs import Identity
from pools.compute.errors import StatementError
from pools.compute.loads import coordinator as coordinating
from pools.compute.loads import sweep as sweeping
from pools.compute.loads.coordinator import Coordinator, Load
from pools.compute.loads.ledger import Ledgers
from pools.compute.loads.shards import Shards
from pools.compute.loads.sweep import Sweeper, Swept
from pools.compute.master import Address
from pools.compute.settings import ShardAddress
from pools.compute.writes import transaction as transactions
from tests.pools.compute.loads.rows import eventually, ids, make_table, rows, spread
from tests.services.data_pool import Client, DataPool, refusal
from tests.services.proxy import proxy
from virtualization.placement import ReadState

T = TypeVar("T")
ALICE = Identity("alice", "bdc", mapping=False)


@pytest.fixture(scope="module")
def alice(data_pool: DataPool) -> Iterator[Client]:
    client = data_pool.client("alice")
    yield client
    client.close()


def another(pool: DataPool, work: Callable[[Coordinator], Awaitable[T]], shards: dict[int, int] | None = None) -> T:
    """``work`` with a coordinator of this process; ``shards``: other ports to reach them at."""

    async def run() -> T:
        ports = {number: shard.port for number, shard in enumerate(pool.shards)} | (shards or {})
        addresses = [ShardAddress(number, "127.0.0.1", port) for number, port in ports.items()]
        address = Address("127.0.0.1", pool.master.port, pool.secrets["pool-password"])
        made = Coordinator(Ledgers(address), Shards(addresses, pool.signer))
        try:
            return await work(made)
        finally:
            await made.close()
            await made.ledgers.close()

    return asyncio.run(run())


def sealed(pool: DataPool, load: str, winner: list[Any]) -> None:
    """A coordinator seals, and is gone before the decision."""

    async def seal(coordinator: Coordinator) -> None:
        found = await coordinator.load(ALICE, load)
        await coordinator._seal(found, {found.tables[0]["id"]: [(winner[0], winner[1], winner[2])]})

    another(pool, seal)


def swept(pool: DataPool) -> Swept:
    async def sweep(coordinator: Coordinator) -> Swept:
        while (done := await Sweeper(coordinator).sweep("bdc", identity(pool))).busy:
            await asyncio.sleep(0.1)
        return done

    return another(pool, sweep)


def identity(pool: DataPool) -> str:
    with pool.admin() as admin:
        return str(admin.execute("SELECT bdc.identity()").fetchone()[0])  # type: ignore[index]


def segments(pool: DataPool, load: str) -> dict[str, int]:
    """State → rows of the load on all shards, as long as it is not published."""

    async def ask(coordinator: Coordinator) -> list[dict[str, Any]]:
        shards = [{"number": number, "id": (await coordinator.shards.hello(number))["shard"]} for number in coordinator.shards.addresses]
        return await coordinator.segments("bdc", identity(pool), shards)

    found: dict[str, int] = {}
    for row in another(pool, ask):
        if row["load"] == load and row["state"] in ("staged", "sealed"):
            found[row["state"]] = found.get(row["state"], 0) + row["rows"]
    return found


def begun(client: Client, table: str, *numbers: int, mode: str = "append") -> tuple[str, list[Any]]:
    load = client.ask("begin", {"table": table, "mode": mode})
    return load["load"], client.put(load, spread(*numbers))


def test_the_coordinator_dies_between_seal_and_decision(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool)
    load, winner = begun(alice, table, 1, 2)
    sealed(data_pool, load, winner)
    assert segments(data_pool, load) == {"sealed": 2} and ids(data_pool, table) == []
    assert alice.ask("commit", {"load": load, "winners": [winner]})["rows"] == 2
    assert ids(data_pool, table) == [1, 2]


def test_a_sealed_load_that_nobody_decides_expires(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool)
    load, winner = begun(alice, table, 1, 2)
    sealed(data_pool, load, winner)
    with data_pool.admin() as admin:
        admin.execute("UPDATE bdc.data_loads SET expires_at = now() - interval '1 second' WHERE load = %s", [load])
    assert swept(data_pool).aborted >= 1
    assert segments(data_pool, load) == {} and ids(data_pool, table) == []


def test_the_coordinator_dies_after_the_decision(data_pool: DataPool, alice: Client) -> None:
    """Readers see the load at once, and the sweep of another replica publishes it."""
    table = make_table(data_pool)
    first, winner = begun(alice, table, 1, 2)
    second, other = begun(alice, table, 3, 4)

    async def decide(coordinator: Coordinator) -> None:
        await coordinator.ledgers.of("bdc").decide(first, None, 2, {})
        await coordinator.ledgers.of("bdc").decide(second, None, 2, {})

    sealed(data_pool, first, winner)
    sealed(data_pool, second, other)
    another(data_pool, decide)
    assert segments(data_pool, first) == {"sealed": 2}
    assert alice.ask("commit", {"load": second, "winners": [other]})["rows"] == 2
    assert ids(data_pool, table) == [1, 2, 3, 4]
    with data_pool.admin() as admin:
        admin.execute("UPDATE bdc.data_loads SET applied = false WHERE load = %s", [first])
    assert swept(data_pool).published >= 1
    assert segments(data_pool, first) == {}
    assert ids(data_pool, table) == [1, 2, 3, 4]


def test_the_answer_of_a_commit_is_lost(data_pool: DataPool) -> None:
    table, name = make_table(data_pool), str(uuid.uuid4())
    with proxy(data_pool.flight_ports[0]) as between:
        client = Client(f"grpc://127.0.0.1:{between.port}", "alice")
        load = client.ask("begin", {"table": table, "load_id": name})
        winner = client.put(load, spread(1, 2))
        between.swallow_answers()
        with pytest.raises(flight.FlightError):
            client.ask("commit", {"load": load["load"], "winners": [winner]}, seconds=1)
        between.cut()
        eventually(lambda: client_state(data_pool, load["load"]) == "committed")
        assert client.ask("begin", {"table": table, "load_id": name})["state"] == "committed"
        assert client.ask("commit", {"load": load["load"], "winners": [winner]})["rows"] == 2
    assert ids(data_pool, table) == [1, 2]


def client_state(pool: DataPool, load: str) -> str:
    with pool.admin() as admin:
        return str(admin.execute("SELECT state FROM bdc.data_loads WHERE load = %s", [load]).fetchone()[0])  # type: ignore[index]


def test_the_answer_of_a_seal_is_lost(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool)
    load, winner = begun(alice, table, 1, 2)
    with proxy(data_pool.shards[0].port) as between:

        async def commit(coordinator: Coordinator) -> Any:
            await coordinator._surely(ALICE, await coordinator.load(ALICE, load))  # once for each start of the master
            between.swallow_answers()
            asyncio.get_running_loop().call_later(0.5, between.cut)
            return await coordinator.commit(ALICE, load, [(winner[0], winner[1], winner[2])])

        assert another(data_pool, commit, {0: between.port}).rows == 2
    assert ids(data_pool, table) == [1, 2]


def test_a_shard_dies_before_the_seal(data_pool: DataPool, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table(data_pool)
    load, winner = begun(alice, table, 1, 2)
    monkeypatch.setattr(coordinating, "RESTART_SECONDS", 0.2)

    async def commit(coordinator: Coordinator) -> None:
        await coordinator.commit(ALICE, load, [(winner[0], winner[1], winner[2])])

    data_pool.shards[0].kill()
    try:
        with pytest.raises(StatementError, match="shard 0 of the data pool does not answer"):
            another(data_pool, commit)
        assert client_state(data_pool, load) == "aborted"
    finally:
        data_pool.shards[0].start()
    swept(data_pool)
    assert segments(data_pool, load) == {} and ids(data_pool, table) == []
    alice.load(table, spread(5, 6))
    assert ids(data_pool, table) == [5, 6]


def test_a_shard_dies_after_the_seal(data_pool: DataPool, alice: Client) -> None:
    """The decision needs no shard; the next read publishes what the shard has sealed."""
    table = make_table(data_pool)
    load, winner = begun(alice, table, 1, 2)
    sealed(data_pool, load, winner)
    data_pool.shards[0].kill()

    async def decide(coordinator: Coordinator) -> None:
        found = await coordinator.load(ALICE, load)
        await coordinator._decide(ALICE, found, 2, None)

    try:
        another(data_pool, decide)
    finally:
        data_pool.shards[0].start()
    assert ids(data_pool, table) == [1, 2]
    swept(data_pool)
    assert segments(data_pool, load) == {}


def test_the_master_is_away_at_the_decision(data_pool: DataPool, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table(data_pool)
    load, winner = begun(alice, table, 1, 2)
    sealed(data_pool, load, winner)
    found: list[Load] = []

    async def look(coordinator: Coordinator) -> None:
        found.append(await coordinator.load(ALICE, load))

    async def decide(coordinator: Coordinator) -> None:
        await coordinator._decide(ALICE, found[0], 2, None)

    another(data_pool, look)
    monkeypatch.setattr(coordinating, "DECIDE_SECONDS", 1.0)
    data_pool.stop_master()
    try:
        with pytest.raises(StatementError) as raised:
            another(data_pool, decide)
        assert raised.value.code == "40003" and load in raised.value.message and "bdc data loads" in (raised.value.hint or "")
    finally:
        data_pool.start_master()
    eventually(lambda: _committed(alice, load, winner))
    assert ids(data_pool, table) == [1, 2]


def _committed(client: Client, load: str, winner: list[Any]) -> bool:
    try:
        return bool(client.ask("commit", {"load": load, "winners": [winner]})["rows"] == 2)
    except flight.FlightError as error:
        assert refusal(error)["sqlstate"] in ("40003", "57P03", "28P01"), error
        return False


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_a_transaction_of_the_master_decides(data_pool: DataPool, alice: Client, ending: str) -> None:
    """The remote COMMIT comes before the master's own: until that is known the rows are invisible, and nothing waits for them."""
    table = make_table(data_pool)
    with data_pool.connect("admin") as master:
        master.execute("CREATE TABLE IF NOT EXISTS public.notes (x int)")
        master.execute("BEGIN")
        master.execute("INSERT INTO public.notes VALUES (1)")
        load, winner = begun(alice, table, 1, 2)
        session = session_of(master)

        async def commit(coordinator: Coordinator) -> Any:
            return await coordinator.commit(ALICE, load, [(winner[0], winner[1], winner[2])], session)

        assert another(data_pool, commit).version is None
        assert client_state(data_pool, load) == "prepared"
        assert ids(data_pool, table) == []
        master.execute(ending)
    assert ids(data_pool, table) == ([1, 2] if ending == "COMMIT" else [])
    assert client_state(data_pool, load) == ("committed" if ending == "COMMIT" else "aborted")


@pytest.mark.parametrize("ending", ["rolled back", "another transaction", "session ended", "master restarted"])
def test_a_transaction_of_the_master_that_is_over_decides_nothing(data_pool: DataPool, alice: Client, ending: str) -> None:
    """Its user has been told that nothing was kept, or has been told nothing."""
    table = make_table(data_pool)
    with data_pool.connect("admin") as master:
        master.execute("BEGIN")
        session = session_of(master)
        load, winner = begun(alice, table, 1, 2)
        if ending == "session ended":
            master.close()
        elif ending == "master restarted":
            data_pool.stop_master()
            data_pool.start_master()
            master.close()
        else:
            master.execute("ROLLBACK")
            if ending == "another transaction":
                master.execute("BEGIN")
                master.execute("SELECT pg_current_xact_id()")

        async def commit(coordinator: Coordinator) -> Any:
            return await coordinator.commit(ALICE, load, [(winner[0], winner[1], winner[2])], session)

        with pytest.raises(StatementError) as raised:
            eventually(lambda: another(data_pool, commit))
        assert raised.value.code == "40000"
    assert client_state(data_pool, load) == "aborted"
    eventually(lambda: not segments(data_pool, load))


def session_of(connection: psycopg.Connection[Any]) -> str:
    """As ``%c`` has it in the pool's sessions that the master opens."""
    query = (
        "SELECT to_hex(floor(extract(epoch FROM backend_start))::bigint) || '.' || to_hex(pid) FROM pg_stat_activity"
        " WHERE pid = pg_backend_pid()"
    )
    row = connection.execute(query).fetchone()
    assert row is not None
    return str(row[0])


def test_segments_of_a_load_that_nobody_knows_are_dropped_and_can_never_be_committed(
    data_pool: DataPool, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_table(data_pool)
    load, winner = begun(alice, table, 1, 2)
    with data_pool.admin() as admin:
        admin.execute("DELETE FROM bdc.data_loads WHERE load = %s", [load])
    monkeypatch.setattr(sweeping, "SETTLE_SECONDS", 0.0)
    swept(data_pool)
    assert segments(data_pool, load) == {"staged": 2}
    monkeypatch.setattr(sweeping, "UNKNOWN_SECONDS", 0.0)
    time.sleep(0.1)
    assert swept(data_pool).settled >= 1
    assert segments(data_pool, load) == {}
    with pytest.raises(flight.FlightError):
        alice.ask("commit", {"load": load, "winners": [winner]})


def test_a_dropped_table_leaves_the_shards(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool)
    alice.load(table, spread(1, 2))
    with data_pool.admin() as admin:
        number = admin.execute("SELECT id FROM bdc.table_definitions WHERE 'public.' || table_name = %s", [table]).fetchone()[0]  # type: ignore[index]
        admin.execute("CALL bdc.drop_data_table(%s)", [table])

    def collected() -> bool:
        """The replica's own sweep may be at it."""
        swept(data_pool)
        with data_pool.admin() as admin:
            return admin.execute("SELECT FROM bdc.data_dropped WHERE table_id = %s", [number]).fetchone() is None

    eventually(collected)

    async def stats(coordinator: Coordinator) -> list[dict[str, Any]]:
        shard = {"number": 0, "id": (await coordinator.shards.hello(0))["shard"]}
        return await coordinator.shards.act(shard, identity(data_pool), "stats", {"tables": [str(number)]})

    assert [row for row in another(data_pool, stats) if row["rows"]] == []


def test_kill_9_of_the_coordinator_at_any_moment_leaves_loads_whole(data_pool: DataPool) -> None:
    """A few rounds; the storm is in tests/cluster."""
    table = make_table(data_pool)
    acknowledged: set[int] = set()
    for attempt in range(4):
        client = data_pool.client("alice")
        load, winner = begun(client, table, 2 * attempt, 2 * attempt + 1)
        killing = threading.Timer(0.004 * attempt, data_pool.replicas[0].kill)
        killing.start()
        try:
            client.ask("commit", {"load": load, "winners": [winner]}, seconds=10)
            acknowledged.update((2 * attempt, 2 * attempt + 1))
        except flight.FlightError:
            pass
        killing.join()
        data_pool.replicas[0].start()
        client.close()
    found = set(ids(data_pool, table))
    assert acknowledged <= found
    assert all((number ^ 1) in found for number in found)


def test_a_shard_is_cut_off_during_a_transaction(data_pool: DataPool, alice: Client) -> None:
    """A change is asked for again, and carried out once; rows that were on their way are lost, and the transaction is to be run again."""
    table = make_table(data_pool)
    schema, name = table.split(".")
    alice.load(table, spread(1, 2, 3, 4))
    with proxy(data_pool.shards[1].port) as between:

        async def change(coordinator: Coordinator) -> int:
            state = ReadState.read(await coordinator.ledgers.of("bdc")._object("SELECT bdc.pool_snapshot()"))
            transaction = transactions.LoadTransaction(coordinator, ALICE, None)
            await coordinator.shards.hello(1)
            between.swallow_answers()
            asyncio.get_running_loop().call_later(0.5, between.cut)
            changed = await transaction.modify(schema, name, {"id": "id + 10"}, "id <= 3", state)
            await transaction.commit()
            return changed

        async def write(coordinator: Coordinator) -> None:
            transaction = transactions.LoadTransaction(coordinator, ALICE, None)
            for first in (100_000, 200_000, 300_000):
                await transaction.insert(schema, name, (), rows(*range(first, first + transactions.FLUSH_ROWS)), as_text=False)
            while between.asked < before + 100_000:  # rows are on their way, and not still here
                await asyncio.sleep(0.01)
            between.cut()
            await transaction.commit()

        assert another(data_pool, change, {1: between.port}) == 3
        before = between.asked
        with pytest.raises(StatementError, match="restarted") as refused:
            another(data_pool, write, {1: between.port})
        assert refused.value.code == "40001"
    assert ids(data_pool, table) == [4, 11, 12, 13]


def test_the_load_of_a_transaction_is_renewed(data_pool: DataPool, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table(data_pool)
    monkeypatch.setattr(transactions, "RENEW_SECONDS", 0.1)

    def left(load: str) -> float:
        """Hours until it expires."""
        with data_pool.admin() as admin:
            query = "SELECT extract(epoch FROM expires_at - now()) / 3600 FROM bdc.data_loads WHERE load = %s"
            return float(admin.execute(query, [load]).fetchone()[0])  # type: ignore[index]

    async def write(coordinator: Coordinator) -> None:
        transaction = transactions.LoadTransaction(coordinator, ALICE, None)
        await transaction.insert("public", table.split(".")[1], (), spread(2)[0], as_text=False)
        assert transaction._load is not None
        load = transaction._load.id
        assert left(load) <= 1
        monkeypatch.setattr(transactions, "SECONDS", 5 * 3600)
        await asyncio.to_thread(eventually, lambda: left(load) > 4)
        with data_pool.admin() as admin:  # what it was given first is over by now
            admin.execute("UPDATE bdc.data_loads SET expires_at = expires_at - interval '2 hours' WHERE load = %s", [load])
        assert (await transaction.commit()) is not None

    another(data_pool, write)
    assert ids(data_pool, table) == [2]
