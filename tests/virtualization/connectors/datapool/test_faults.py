"""What a query says when a shard refuses, is away, or the user gives up."""

from __future__ import annotations

import dataclasses
import pathlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.patience import SOON
from tests.services.postgresql import free_port
from tests.services.proxy import Proxy
from tests.virtualization.connectors.conformance import until
from tests.virtualization.connectors.datapool.shards import SOURCE, Shards, arrow
from virtualization.catalog import Column, MemoryCatalog, VirtualTable
from virtualization.connectors.datapool import DatapoolConnector
from virtualization.engine import Engine
from virtualization.errors import CancelledError, DataError, DefinitionError, InternalError, SourceUnreachableError, VirtualizationError
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.placement import ReadState, Shard
from virtualization.plan import QueryContext

COLUMNS = (Column("id", "bigint"), Column("n", "integer"))
Ask = Callable[..., list[object]]


@pytest.fixture(scope="module")
def table(pool: Shards) -> VirtualTable:
    made = pool.table("t", COLUMNS, "HASH(id)")
    pool.load(made, arrow(COLUMNS, [(number, number % 3) for number in range(30_000)]))
    return made


@pytest.fixture
def ask(pool: Shards, table: VirtualTable, tmp_path: pathlib.Path) -> Iterator[Ask]:
    connectors: list[DatapoolConnector] = []
    executor = DuckDbExecutor(128 << 20, tmp_path, 1)

    def asked(sql: str, of: VirtualTable = table, context: QueryContext | None = None, **locations: dict[int, str]) -> list[object]:
        access = dataclasses.replace(pool.access, **locations)
        engine = Engine([executor], {"datapool": lambda source: connectors[-1]})
        connectors.append(DatapoolConnector(SOURCE, access))
        result = engine.run(engine.plan(sql, MemoryCatalog.of([SOURCE], [of])), context or pool.context())
        return [value for batch in result for value in batch.column(0).to_pylist()]

    yield asked
    for connector in connectors:
        connector.close()
    executor.close()


def fails(ask: Ask, *arguments: object, **more: object) -> VirtualizationError:
    with pytest.raises(VirtualizationError) as caught:
        ask(*arguments, **more)
    return caught.value


def test_a_shard_that_is_away_is_named(ask: Ask, pool: Shards) -> None:
    locations = {**pool.access.locations, 1: f"grpc://127.0.0.1:{free_port()}"}
    for sql in ("SELECT count(*) FROM t", "SELECT id FROM t"):
        error = fails(ask, sql, locations=locations)
        assert isinstance(error, SourceUnreachableError) and "shard 1 of the data pool" in error.message and error.hint


class Late(Proxy):
    """Takes connections in after a moment, as a shard does on a busy machine."""

    def _accept(self) -> None:
        time.sleep(0.7)
        super()._accept()


def test_a_shard_that_is_slow_to_take_a_connection_is_waited_for(pool: Shards) -> None:
    late = Late(pool.servers[0].port)
    connector = DatapoolConnector(SOURCE, dataclasses.replace(pool.access, locations={0: f"grpc://127.0.0.1:{late.port}"}))
    assert connector._client.hello(0)["number"] == 0
    connector.close()
    late.close()


@pytest.mark.parametrize("sql", ["SELECT n FROM t WHERE id = 7", "SELECT sum(n) FROM t"])
def test_a_shard_that_is_back_is_read_at_once(pool: Shards, table: VirtualTable, tmp_path: pathlib.Path, sql: str) -> None:
    """However often it was asked in vain: gRPC waits longer after each time."""
    gates = {number: Proxy(server.port) for number, server in enumerate(pool.servers)}
    connector = DatapoolConnector(SOURCE, dataclasses.replace(pool.access, locations=locations(gates)))
    executor = DuckDbExecutor(128 << 20, tmp_path, 1)
    engine = Engine([executor], {"datapool": lambda source: connector})
    catalog = MemoryCatalog.of([SOURCE], [table])

    def answer() -> list[object]:
        return [value for batch in engine.run(engine.plan(sql, catalog), pool.context()) for value in batch.column(0).to_pylist()]

    before = answer()
    for gate in gates.values():
        gate.close()
    for _ in range(4):
        with pytest.raises(SourceUnreachableError):
            answer()
    again = [Proxy(server.port, gates[number].port) for number, server in enumerate(pool.servers)]
    assert answer() == before
    connector.close()
    executor.close()
    for gate in again:
        gate.close()


def locations(gates: dict[int, Proxy]) -> dict[int, str]:
    return {number: f"grpc://127.0.0.1:{gate.port}" for number, gate in gates.items()}


def test_as_many_columns_as_there_can_be(pool: Shards) -> None:
    columns = [Column(f"c{number}", "integer") for number in range(1600)]
    of = pool.table("wide", columns, "ROUND_ROBIN")
    pool.load(of, arrow(columns, [list(range(1600))]))
    with closing(pool.connector()) as connector:
        (batch,) = connector.scan(of, ["c1599", "c0"], []).fragment.open(pool.context())
    assert batch.to_pylist() == [{"c1599": 1599, "c0": 0}]


def test_a_sample_is_drawn_by_the_shards_where_the_rows_are_only_carried(ask: Ask, pool: Shards) -> None:
    for sql, rows in (("SELECT id FROM t WHERE n < 2", 20_000), ("SELECT count(*) FROM t", 1)):
        context = pool.context()
        context.sample = 0.1
        found = len(ask(sql, context=context))
        drawn = context.take_sample() is None
        assert drawn == (rows > 1) and (0.05 * rows < found < 0.2 * rows if drawn else found == rows)


def test_a_shard_that_lost_its_folder_is_another_one(ask: Ask, table: VirtualTable) -> None:
    assert table.data is not None
    lost = tuple(Shard(shard.number, str(uuid.uuid4()) if shard.number == 2 else shard.id) for shard in table.data.shards)
    changed = dataclasses.replace(table, data=dataclasses.replace(table.data, shards=lost))
    error = fails(ask, "SELECT sum(n) FROM t", changed)
    assert error.code == "55000" and "shard 2" in error.message and error.hint


def test_a_shard_that_the_pool_does_not_have(ask: Ask, pool: Shards) -> None:
    locations = {0: pool.access.locations[0]}
    assert fails(ask, "SELECT count(*) FROM t", locations=locations).code == "55000"


def test_rows_of_another_database_are_refused(ask: Ask, table: VirtualTable) -> None:
    assert table.data is not None
    copied = dataclasses.replace(table, data=dataclasses.replace(table.data, owned=False))
    error = fails(ask, "SELECT id FROM t", copied)
    assert error.code == "55000" and "another database" in error.message


def test_an_old_snapshot(ask: Ask, pool: Shards, table: VirtualTable) -> None:
    assert table.data is not None
    for store in pool.stores:
        store.ledger.table((pool.identity, table.data.id)).horizon = 1
    try:
        context = QueryContext(read_states=lambda tables: ReadState(0))
        assert fails(ask, "SELECT id FROM t WHERE id = 5", context=context).code == "72000"
        assert fails(ask, "SELECT count(*) FROM t", context=context).code == "72000"
    finally:
        for store in pool.stores:
            store.ledger.table((pool.identity, table.data.id)).horizon = 0


def test_without_a_snapshot_nothing_is_read(ask: Ask) -> None:
    assert isinstance(fails(ask, "SELECT id FROM t", context=QueryContext()), InternalError)


def test_what_the_session_says_about_its_own_writes(ask: Ask, table: VirtualTable) -> None:
    def refuse(tables: object) -> ReadState:
        assert table.data is not None and list(tables) == [table.data.id]  # type: ignore[call-overload]
        raise DefinitionError("written by this transaction")

    assert "written" in fails(ask, "SELECT id FROM t", context=QueryContext(read_states=refuse)).message


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT 1 / (n - n) FROM t", "22012"),
        ("SELECT 1 / (n - n) FROM t WHERE id = 7", "22012"),
        ("SELECT n * 2000000000 * 5 FROM t", "22003"),
        ("SELECT sum(1 / n) FROM t", "22012"),
    ],
)
def test_values_fail_as_in_the_pool_itself(ask: Ask, sql: str, code: str) -> None:
    error = fails(ask, sql)
    assert isinstance(error, DataError) and error.code == code


@pytest.mark.parametrize("sql", ["SELECT a.id FROM t a, t b, t c WHERE a.id = 5 AND b.id = 5 AND c.n >= 0", "SELECT id, n FROM t"])
def test_cancelled_before_it_begins(ask: Ask, pool: Shards, sql: str) -> None:
    context = pool.context()
    context.cancel()
    assert isinstance(fails(ask, sql, context=context), CancelledError)


def test_cancelled_while_shards_work(ask: Ask, pool: Shards) -> None:
    context = pool.context()
    slow = "SELECT sum(a.n * b.n) FROM r a JOIN r b ON a.n <> b.n + 5 JOIN r c ON c.n <> a.n + 7"
    of = pool.table("r", COLUMNS, "REPLICATED")
    pool.load(of, arrow(COLUMNS, [(number, number % 3) for number in range(900)]))
    timer = threading.Timer(0.3, context.cancel)
    timer.start()
    began = time.monotonic()
    assert isinstance(fails(ask, slow, of, context=context), CancelledError)
    assert time.monotonic() - began < SOON


def test_leaving_after_the_first_rows_stops_the_shards(pool: Shards, ask: Ask) -> None:
    assert len(ask("SELECT id FROM t LIMIT 10")) == 10
    _until_idle(pool)


def _until_idle(pool: Shards) -> None:
    """What another test cancelled may still be computed."""
    until(lambda: not any(server._calls for server in pool.servers), "a shard still works")


def test_the_library_alone_can_not_read_it() -> None:
    with pytest.raises(DefinitionError, match="compute pool"):
        DatapoolConnector(SOURCE)
