"""Which shards are asked what, and what is done with their rows: texts of EXPLAIN, and what came back."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
from pyarrow import flight

from tests.virtualization.connectors.datapool.shards import SOURCE, Shards, arrow
from virtualization.catalog import Column, MemoryCatalog
from virtualization.connectors.datapool.fragments import ShardsFragment
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.plan import Plan
from virtualization.types import PG_TYPE

ORDERS = (Column("id", "bigint"), Column("cust", "integer"), Column("amt", "numeric(12,2)"), Column("note", "text"))
LINES = (Column("oid", "integer"), Column("nr", "integer"), Column("qty", "integer"))
NATION = (Column("nid", "integer"), Column("name", "text"))


class World:
    """Orders and lines by order, the same orders in turn, nations on each shard."""

    def __init__(self, pool: Shards, folder: pathlib.Path) -> None:
        self.pool = pool
        orders = [(i, i % 7, i, f"n{i % 5}") for i in range(100)]
        contents = {
            "orders": (ORDERS, "HASH(id)", orders),
            "turns": (ORDERS, "ROUND_ROBIN", orders),
            "line": (LINES, "HASH(oid)", [(i % 100, i, i % 11) for i in range(300)]),
            "pair": (LINES, "HASH(oid, nr)", [(i % 10, i, 1) for i in range(100)]),
            "nation": (NATION, "REPLICATED", [(i, f"x{i}") for i in range(7)]),
        }
        tables = []
        for name, (columns, distribution, rows) in contents.items():
            tables.append(pool.table(name, columns, distribution))
            pool.load(tables[-1], arrow(columns, rows))
        self.catalog = MemoryCatalog.of([SOURCE], tables)
        self.engine = Engine([DuckDbExecutor(128 << 20, folder, 1)], {"datapool": pool.connector})

    def plan(self, sql: str) -> Plan:
        return self.engine.plan(sql, self.catalog)

    def fragment(self, sql: str) -> ShardsFragment:
        """The one that is the whole plan."""
        plan = self.plan(sql)
        assert plan.residual is None, plan.kept
        (fragment,) = plan.fragments
        assert isinstance(fragment, ShardsFragment)
        return fragment

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        result = self.engine.run(self.plan(sql), self.pool.context())
        return [tuple(row.values()) for batch in result for row in batch.to_pylist()]

    def kept(self, sql: str) -> set[str]:
        return {kept.code for kept in self.plan(sql).kept}


@pytest.fixture(scope="module")
def world(pool: Shards, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(pool, tmp_path_factory.mktemp("spill"))
    yield made
    made.engine.close()


def test_a_key_asks_one_shard_for_the_whole_statement(world: World) -> None:
    sql = "SELECT note, count(*) FROM orders WHERE id = 5 GROUP BY note ORDER BY 2"
    fragment = world.fragment(sql)
    assert len(fragment.route.shards) == 1 and fragment.merge.sql is None
    (shard,) = fragment.route.shards
    assert fragment.text.splitlines() == [
        f"on shard {shard} of 3, because id = 5",
        '  SELECT t1.c1 AS c0, count(*) AS c1 FROM (SELECT "id" AS c0, "note" AS c1 FROM "orders") AS t1 '
        "WHERE (t1.c0 = CAST(5 AS BIGINT)) GROUP BY t1.c1 ORDER BY 2 ASC NULLS LAST",
    ]
    assert world.rows(sql) == [("n0", 1)]


@pytest.mark.parametrize(
    "condition",
    ["id = 5", "5 = id", "id = 5::bigint", "id IN (5)", "id = 5 OR id = 5", "id = '5'", "id = 5 AND note > 'a'", "(id = 5)"],
)
def test_forms_of_a_key(world: World, condition: str) -> None:
    assert len(world.fragment(f"SELECT note FROM orders WHERE {condition}").route.shards) == 1
    assert world.rows(f"SELECT note FROM orders WHERE {condition}") == [("n0",)]


@pytest.mark.parametrize("condition", ["id > 5", "id = 5 OR note = 'n1'", "id + 0 = 5", "id = cust", "NOT id = 5", "id IS NULL"])
def test_what_is_no_key(world: World, condition: str) -> None:
    assert len(world.fragment(f"SELECT note FROM orders WHERE {condition}").route.shards) == 3


def test_a_key_of_two_columns_needs_both(world: World) -> None:
    assert len(world.fragment("SELECT qty FROM pair WHERE oid = 3").route.shards) == 3
    assert len(world.fragment("SELECT qty FROM pair WHERE oid = 3 AND nr = 13").route.shards) == 1
    assert world.rows("SELECT qty FROM pair WHERE oid = 3 AND nr IN (13, 23)") == [(1,), (1,)]


def test_a_key_goes_through_joins(world: World) -> None:
    fragment = world.fragment("SELECT sum(qty) FROM orders JOIN line ON id = oid WHERE oid = 7")
    assert len(fragment.route.shards) == 1 and fragment.merge.sql is None


def test_a_replicated_table_is_read_from_one_shard_at_a_time(world: World) -> None:
    fragment = world.fragment("SELECT name, count(*) FROM nation GROUP BY name ORDER BY 1 LIMIT 2")
    assert fragment.route.any_one and {fragment.answering()[0] for _ in range(6)} == {0, 1, 2}
    assert fragment.text.startswith("on one of shards 0, 1, 2, which have all rows\n")


def test_groups_by_the_key_are_the_shards_own(world: World) -> None:
    fragment = world.fragment("SELECT oid, avg(qty) FROM line GROUP BY oid HAVING count(*) > 2")
    assert fragment.merge.sql is None and len(fragment.route.shards) == 3


def test_other_groups_are_partial(world: World) -> None:
    fragment = world.fragment("SELECT note, count(*), sum(cust) FROM orders GROUP BY note")
    assert fragment.text.splitlines() == [
        "on shards 0, 1, 2 of 3",
        "  SELECT t1.c1 AS c0, count(*) AS c1, CAST(sum(t1.c0) AS BIGINT) AS c2 "
        'FROM (SELECT "cust" AS c0, "note" AS c1 FROM "orders") AS t1 GROUP BY 1',
        "merged here by DuckDB",
        "  SELECT t1.c0 AS c0, CAST(CAST(sum(t1.c1) AS DECIMAL(32,0)) AS BIGINT) AS c1, "
        "CAST(CAST(sum(t1.c2) AS DECIMAL(32,0)) AS BIGINT) AS c2 FROM shards AS t1 GROUP BY t1.c0",
    ]


def test_first_rows_of_first_rows(world: World) -> None:
    fragment = world.fragment("SELECT id FROM orders ORDER BY amt DESC LIMIT 3 OFFSET 1")
    assert "LIMIT 4" in fragment.statement.sql and (fragment.merge.sql or "").endswith("LIMIT 3 OFFSET 1")
    assert world.rows("SELECT id FROM orders ORDER BY amt DESC LIMIT 3 OFFSET 1") == [(98,), (97,), (96,)]


def test_any_rows_are_not_merged(world: World) -> None:
    fragment = world.fragment("SELECT id FROM orders LIMIT 5 OFFSET 2")
    assert fragment.merge.sql is None and "LIMIT 7" in fragment.statement.sql
    assert len(world.rows("SELECT id FROM orders LIMIT 5 OFFSET 2")) == 5
    assert world.rows("SELECT id FROM orders LIMIT 0") == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM orders JOIN line ON id = oid",
        "SELECT count(*) FROM turns JOIN nation ON cust = nid",
        "SELECT count(*) FROM turns LEFT JOIN nation ON cust = nid AND name = 'x1'",
        "SELECT count(*) FROM orders LEFT JOIN line ON oid = id",
        "SELECT count(*) FROM orders FULL JOIN line ON oid = id",
        "SELECT count(*) FROM pair a JOIN pair b ON a.oid = b.oid AND a.nr = b.nr",
        "SELECT count(*) FROM orders WHERE EXISTS (SELECT 1 FROM line WHERE oid = id)",
        "SELECT count(*) FROM orders WHERE NOT EXISTS (SELECT 1 FROM line WHERE oid = id AND qty > 9)",
        "SELECT count(*) FROM orders WHERE id IN (SELECT oid FROM line WHERE qty > 3)",
        "SELECT count(*) FROM orders WHERE cust NOT IN (SELECT nid FROM nation)",
        "SELECT id, (SELECT max(qty) FROM line WHERE oid = id) FROM orders",
        "SELECT id FROM orders UNION ALL SELECT oid FROM line",
        "SELECT id FROM orders EXCEPT SELECT oid FROM line",
        "SELECT count(*) FROM (SELECT oid, sum(qty) AS q FROM line GROUP BY oid) x JOIN orders ON x.oid = id WHERE q > 3",
        "SELECT DISTINCT note FROM turns",
        "SELECT count(DISTINCT note), count(DISTINCT note) FILTER (WHERE note > 'n1') IS NULL FROM orders WHERE id = 3",
        "WITH x AS (SELECT oid, count(*) AS n FROM line GROUP BY oid) SELECT max(n) FROM x",
        "SELECT id, row_number() OVER (PARTITION BY id ORDER BY note) FROM orders",
    ],
)
def test_taken_as_a_whole(world: World, sql: str) -> None:
    assert world.fragment(sql)


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT count(*) FROM orders JOIN line ON cust = oid", "not_colocated"),
        ("SELECT count(*) FROM turns JOIN line ON id = oid", "not_colocated"),
        ("SELECT count(*) FROM pair a JOIN pair b ON a.oid = b.oid", "not_colocated"),
        ("SELECT count(*) FROM nation LEFT JOIN turns ON cust = nid", "not_colocated"),
        ("SELECT count(*) FROM orders WHERE id NOT IN (SELECT oid FROM line)", "not_colocated"),
        ("SELECT count(*) FROM orders WHERE id IN (SELECT oid FROM line) IS NOT TRUE", "not_colocated"),
        ("SELECT count(*) FROM orders WHERE cust > (SELECT max(qty) FROM line)", "not_colocated"),
        ("SELECT id FROM nation, orders UNION ALL SELECT nid FROM nation", "not_colocated"),
        ("SELECT count(DISTINCT note), count(DISTINCT cust) FROM turns", "several_distinct"),
        ("SELECT count(*) FROM (SELECT id FROM turns ORDER BY id LIMIT 5) x, line", "limit_on_shards"),
        ("SELECT id, rank() OVER (ORDER BY note) FROM orders", "groups_on_shards"),
        ("SELECT count(*) FROM (SELECT note, sum(cust) FROM turns GROUP BY note) x", "groups_on_shards"),
    ],
)
def test_stays_with_its_reason(world: World, sql: str, code: str) -> None:
    assert world.plan(sql).residual is not None
    assert code in world.kept(sql)


def test_templates_find_the_shard_of_each_key(world: World) -> None:
    found = {}
    for number in range(40):
        plan = world.plan(f"SELECT id, note FROM public.orders WHERE ((id = {number}))")
        (fragment,) = plan.fragments
        assert isinstance(fragment, ShardsFragment) and f"because id = {number}" in fragment.text
        found[number] = fragment.route.shards
        assert world.rows(f"SELECT id, note FROM public.orders WHERE ((id = {number}))") == [(number, f"n{number % 5}")]
    assert len(set(found.values())) == 3


def test_parts_for_readers_that_ask_the_shards_themselves(world: World) -> None:
    fragment = world.fragment("SELECT note, amt, id FROM orders WHERE cust < 5")
    parts = fragment.parts(world.pool.context())
    assert parts is not None and [number for number, _ in parts] == [0, 1, 2]
    found = []
    for number, ticket in parts:
        with flight.FlightClient(world.pool.access.locations[number]) as client:
            rows = client.do_get(flight.Ticket(ticket.encode())).read_all()
        assert [field.metadata[PG_TYPE] for field in rows.schema] == [b"text", b"numeric(12,2)", b"bigint"]
        found += rows.column(2).to_pylist()
    assert sorted(found) == [number for number in range(100) if number % 7 < 5]
    for sql in ("SELECT id FROM orders LIMIT 3", "SELECT count(*) FROM orders", "SELECT oid, avg(qty) FROM line GROUP BY oid"):
        assert world.fragment(sql).parts(world.pool.context()) is None
