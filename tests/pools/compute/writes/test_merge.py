"""``CALL bdc.merge`` end to end: rows of one virtual table into one of the data pool by key, decided with the master's transaction."""

from __future__ import annotations

import itertools
import json

import psycopg
import pytest
from psycopg import errors

from tests.pools.compute.loads.rows import make_table
from tests.services.data_pool import DataPool

_NUMBERS = itertools.count()
WIDE = [
    {"name": "id", "type": "bigint", "nullable": False},
    {"name": "name", "type": "text"},
    {"name": "price", "type": "numeric(10,2)", "default": "7.50"},
]


def wide_table(pool: DataPool) -> str:
    name = f"public.wide{next(_NUMBERS)}"
    with pool.admin() as admin:
        admin.execute("CALL bdc.create_data_table(%s, %s::jsonb, 'HASH(id)', '{id}')", [name, json.dumps(WIDE)])
        admin.execute(f"GRANT SELECT, INSERT, UPDATE ON {name} TO alice")
    return name


def fill(connection: psycopg.Connection[tuple[object, ...]], table: str, *rows: tuple[int, str | None]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table}(id, name) VALUES (%s, %s)", rows)


def rows_of(connection: psycopg.Connection[tuple[object, ...]], table: str) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT id, name FROM {table} ORDER BY id, name").fetchall()


def test_rows_with_a_known_key_are_replaced_and_others_added(data_pool: DataPool) -> None:
    target, source = wide_table(data_pool), make_table(data_pool)
    with data_pool.connect("alice") as alice:
        alice.execute(f"INSERT INTO {target} VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
        fill(alice, source, (2, "new"), (3, None), (9, "ninth"))
        alice.execute(f"CALL bdc.merge('{target}', '{source}')")
        assert rows_of(alice, target) == [(1, "a"), (2, "new"), (3, None), (9, "ninth")]
        prices = alice.execute(f"SELECT price::text FROM {target} ORDER BY id").fetchall()
        assert prices == [("1.00",), ("7.50",), ("7.50",), ("7.50",)]
        loads = alice.execute("SELECT state, rows FROM bdc.loads WHERE client = 'merge' ORDER BY begun_at DESC LIMIT 1").fetchone()
        assert loads == ("committed", 3)


def test_many_rows(data_pool: DataPool) -> None:
    target, source = make_table(data_pool, "HASH(id)", "id"), make_table(data_pool)
    with data_pool.connect("alice") as alice:
        alice.execute(f"INSERT INTO {target} SELECT i, 'old' FROM generate_series(1, 50000) AS i")
        alice.execute(f"INSERT INTO {source} SELECT i, 'new' FROM generate_series(40001, 140000) AS i")
        alice.execute(f"CALL bdc.merge('{target}', '{source}')")
        counted = alice.execute(f"SELECT name, count(*), count(DISTINCT id) FROM {target} GROUP BY name ORDER BY name").fetchall()
        assert counted == [("new", 100_000, 100_000), ("old", 40_000, 40_000)]


def test_the_master_decides(data_pool: DataPool) -> None:
    target, source = make_table(data_pool, "HASH(id)", "id"), make_table(data_pool)
    with data_pool.connect("alice") as alice, data_pool.connect("alice") as other:
        alice.execute("CREATE TEMP TABLE local (id int)")
        fill(alice, source, (1, "merged"))
        with alice.transaction(force_rollback=True):
            alice.execute(f"CALL bdc.merge('{target}', '{source}')")
            assert rows_of(other, target) == []
        assert rows_of(alice, target) == []
        with alice.transaction():
            alice.execute("INSERT INTO local VALUES (1)")
            with alice.transaction(force_rollback=True):
                alice.execute(f"CALL bdc.merge('{target}', '{source}')")
        assert rows_of(alice, target) == [] and alice.execute("SELECT count(*) FROM local").fetchone() == (1,)
        with alice.transaction():
            with alice.transaction():
                alice.execute(f"CALL bdc.merge('{target}', '{source}')")
            assert rows_of(other, target) == []
        assert rows_of(alice, target) == rows_of(other, target) == [(1, "merged")]


def test_a_key_that_the_source_has_twice(data_pool: DataPool) -> None:
    target, source = make_table(data_pool, "HASH(id)", "id"), make_table(data_pool)
    with data_pool.connect("alice") as alice:
        fill(alice, target, (5, "kept"))
        fill(alice, source, (5, "one"), (5, "two"), (6, "six"))
        with pytest.raises(errors.CardinalityViolation, match=r"duplicate key: \(\"id\"\) = \(5\) is in the load more than once"):
            alice.execute(f"CALL bdc.merge('{target}', '{source}')")
        assert rows_of(alice, target) == [(5, "kept")]


def test_keys_of_a_table_without_a_primary_key(data_pool: DataPool) -> None:
    target, scattered, source = make_table(data_pool, "HASH(id)"), make_table(data_pool), make_table(data_pool)
    with data_pool.connect("alice") as alice:
        fill(alice, target, (1, "a"), (1, "b"), (2, "c"))
        fill(alice, source, (1, "a"), (3, "x"))
        with pytest.raises(errors.InvalidParameterValue, match="keys must be named"):
            alice.execute(f"CALL bdc.merge('{target}', '{source}')")
        alice.execute(f"CALL bdc.merge('{target}', '{source}', '{{id,name}}')")
        assert rows_of(alice, target) == [(1, "a"), (1, "b"), (2, "c"), (3, "x")]
        alice.execute(f"CALL bdc.merge('{target}', '{source}', '{{id}}')")
        assert rows_of(alice, target) == [(1, "a"), (2, "c"), (3, "x")]
        for table, keys in ((scattered, "{id}"), (target, "{name}")):
            with pytest.raises(errors.FeatureNotSupported, match="may lie on several shards"):
                alice.execute(f"CALL bdc.merge('{table}', '{source}', '{keys}')")


def test_what_is_refused(data_pool: DataPool) -> None:
    target, source, wide = make_table(data_pool, "HASH(id)", "id"), make_table(data_pool), wide_table(data_pool)
    with data_pool.connect("alice") as alice, data_pool.connect("bob") as bob:
        with pytest.raises(errors.UndefinedColumn, match="price"):
            alice.execute(f"CALL bdc.merge('{target}', '{wide}')")
        with pytest.raises(errors.FeatureNotSupported, match="primary key"):
            alice.execute(f"CALL bdc.merge('{target}', '{source}', '{{id,name}}')")
        with pytest.raises(errors.UndefinedTable):
            alice.execute(f"CALL bdc.merge('{target}', 'no_such_table')")
        with pytest.raises(errors.InsufficientPrivilege):
            bob.execute(f"CALL bdc.merge('{target}', '{source}')")
        with data_pool.admin() as admin:
            admin.execute("CREATE TABLE IF NOT EXISTS public.plain (id bigint)")
        with pytest.raises(errors.UndefinedTable, match="no virtual table"):
            alice.execute(f"CALL bdc.merge('{target}', 'public.plain')")
        assert rows_of(alice, target) == []


def test_two_merges_of_the_same_rows(data_pool: DataPool) -> None:
    target, source = make_table(data_pool, "HASH(id)", "id"), make_table(data_pool)
    with data_pool.connect("alice") as one, data_pool.connect("alice") as two:
        fill(one, target, (1, "old"))
        fill(one, source, (1, "new"))
        with one.transaction():
            one.execute(f"CALL bdc.merge('{target}', '{source}')")
            with pytest.raises(errors.SerializationFailure):
                two.execute(f"CALL bdc.merge('{target}', '{source}')")
        two.execute(f"CALL bdc.merge('{target}', '{source}')")
        assert rows_of(one, target) == [(1, "new")]


MERGE = "CALL bdc.merge('{target}', '{source}')"


@pytest.mark.parametrize(
    "statements",
    [
        ("TRUNCATE {target}", MERGE),
        (MERGE, "TRUNCATE {target}"),
        ("INSERT INTO {target}(id, name) VALUES (5, 'x')", MERGE),
        (MERGE, "UPDATE {target} SET name = 'x' WHERE id = 5"),
        ("INSERT INTO {source} VALUES (7, 'x')", MERGE),
        (MERGE, MERGE),
    ],
)
def test_beside_another_write_of_the_same_table(data_pool: DataPool, statements: tuple[str, ...]) -> None:
    """Neither would see the other's rows, whatever their order: refused, and in transactions of their own they go."""
    target, source = wide_table(data_pool), make_table(data_pool)
    with data_pool.admin() as admin:
        admin.execute(f"GRANT TRUNCATE ON {target} TO alice")
    with data_pool.connect("alice") as alice:
        fill(alice, target, (1, "a"), (2, "b"))
        fill(alice, source, (2, "m"), (5, "m"))
        with pytest.raises(errors.FeatureNotSupported, match="COMMIT in between"), alice.transaction():
            for statement in statements:
                alice.execute(statement.format(target=target, source=source))
        assert rows_of(alice, target) == [(1, "a"), (2, "b")]
        alice.execute(MERGE.format(target=target, source=source))
        with alice.transaction():
            alice.execute("SAVEPOINT one")
            alice.execute(MERGE.format(target=target, source=source))
            alice.execute("ROLLBACK TO SAVEPOINT one")
            alice.execute(f"UPDATE {target} SET name = 'u' WHERE id = 5")
        assert rows_of(alice, target) == [(1, "a"), (2, "m"), (5, "u")]
