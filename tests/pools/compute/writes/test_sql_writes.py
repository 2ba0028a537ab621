"""SQL writes into the data pool: through the master (stock postgres_fdw) and directly."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from psycopg.types.json import Json

from tests.pools.compute.loads.rows import ids, make_table, spread
from tests.services.data_pool import DataPool

TYPES = {
    "boolean": ["true", "false"],
    "smallint": ["-32768"],
    "bigint": ["9223372036854775807"],
    "real": ["1.5", "NaN", "-Infinity"],
    "double precision": ["0.1", "NaN", "Infinity", "1e-300"],
    "numeric(38,10)": ["1234567890123456789012345678.0123456789", "-0.0000000001"],
    "text": ["", "ünïcode 'quoted' \\ \t\n", "NULL"],
    "character varying(5)": ["abcde"],
    "bytea": ["\\x", "\\x00ff10"],
    "date": ["0001-01-01", "2024-02-29", "infinity"],
    "time without time zone": ["00:00:00", "23:59:59.999999"],
    "timestamp without time zone": ["2024-02-29 12:00:00.000001", "-infinity"],
    "timestamp with time zone": ["2024-02-29 12:00:00+05:30"],
    "uuid": ["00000000-0000-0000-0000-0000000000ff"],
    "jsonb": ['{"a": [1, null]}'],
    "integer[]": ["{1,NULL,3}"],
    "numeric": ["123456789012345678901234567890123456789012345.5"],
    "interval": ["1 year 2 days 03:00:00"],
}


def count(pool: DataPool, table: str) -> int:
    return len(ids(pool, table))


@pytest.fixture(params=["master", "direct"])
def connection(request: pytest.FixtureRequest, data_pool: DataPool) -> psycopg.Connection[tuple[object, ...]]:
    connection = data_pool.connect("alice") if request.param == "master" else data_pool.direct("alice")
    request.addfinalizer(connection.close)
    return connection


def test_rows_are_there_after_commit_and_not_before(data_pool: DataPool, connection: psycopg.Connection[tuple[object, ...]]) -> None:
    table = make_table(data_pool, "HASH(id)", "id")
    assert connection.execute(f"INSERT INTO {table} VALUES (1, 'a'), (2, NULL)").rowcount == 2
    assert ids(data_pool, table) == [1, 2]
    with connection.transaction():
        connection.execute(f"INSERT INTO {table}(id, name) VALUES (%s, %s)", [3, "c"])
        connection.execute(f"INSERT INTO {table}(name, id) VALUES (%s, %s)", ["d", 4])
        assert ids(data_pool, table) == [1, 2]
    assert ids(data_pool, table) == [1, 2, 3, 4]
    with connection.transaction(force_rollback=True):
        connection.execute(f"INSERT INTO {table} VALUES (5, 'e')")
    assert ids(data_pool, table) == [1, 2, 3, 4]


def test_savepoints(data_pool: DataPool, connection: psycopg.Connection[tuple[object, ...]]) -> None:
    table = make_table(data_pool)
    with connection.transaction():
        connection.execute(f"INSERT INTO {table} VALUES (1, 'a')")
        with connection.transaction(force_rollback=True):
            connection.execute(f"INSERT INTO {table} VALUES (2, 'b')")
            with connection.transaction():
                connection.execute(f"INSERT INTO {table} VALUES (3, 'c')")
        with connection.transaction():
            connection.execute(f"INSERT INTO {table} VALUES (4, 'd')")
    assert ids(data_pool, table) == [1, 4]


def test_an_error_takes_all_of_the_transaction(data_pool: DataPool, connection: psycopg.Connection[tuple[object, ...]]) -> None:
    one, two = make_table(data_pool, "HASH(id)", "id"), make_table(data_pool)
    connection.execute(f"INSERT INTO {one} VALUES (1, 'a')")
    with pytest.raises(errors.UniqueViolation), connection.transaction():
        connection.execute(f"INSERT INTO {two} VALUES (7, 'x')")
        connection.execute(f"INSERT INTO {one} VALUES (2, 'b'), (1, 'again')")
    assert ids(data_pool, one) == [1] and ids(data_pool, two) == []
    with pytest.raises(errors.NotNullViolation):
        connection.execute(f"INSERT INTO {two}(name) VALUES ('x')")
    assert ids(data_pool, two) == []


def test_a_table_that_was_written_is_not_read_in_the_same_transaction(
    data_pool: DataPool, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    table, other = make_table(data_pool), make_table(data_pool)
    with pytest.raises(errors.FeatureNotSupported, match="after it was written"), connection.transaction():
        connection.execute(f"INSERT INTO {table} VALUES (1, 'a')")
        assert connection.execute(f"SELECT count(*) FROM {other}").fetchone() == (0,)
        connection.execute(f"SELECT * FROM {table}")
    assert ids(data_pool, table) == []


def test_many_rows_from_a_query(data_pool: DataPool) -> None:
    table = make_table(data_pool, "HASH(id)")
    with data_pool.connect("alice") as connection:
        done = connection.execute(f"INSERT INTO {table} SELECT i, 'row ' || i FROM generate_series(1, 100000) AS i")
        assert done.rowcount == 100_000
        row = connection.execute(f"SELECT count(*), count(DISTINCT id), sum(id), max(name) FROM {table}").fetchone()
        assert row == (100_000, 100_000, 5_000_050_000, "row 99999")


def test_truncate(data_pool: DataPool, connection: psycopg.Connection[tuple[object, ...]]) -> None:
    table = make_table(data_pool)
    with data_pool.admin() as admin:
        admin.execute(f"GRANT TRUNCATE ON {table} TO alice")
    connection.execute(f"INSERT INTO {table} VALUES (1, 'a')")
    with connection.transaction():
        connection.execute(f"TRUNCATE {table}")
        connection.execute(f"INSERT INTO {table} VALUES (2, 'b')")
    assert ids(data_pool, table) == [2]
    connection.execute(f"TRUNCATE {table}")
    assert ids(data_pool, table) == []


def test_rights_of_direct_users(data_pool: DataPool) -> None:
    table = make_table(data_pool)
    with data_pool.direct("bob") as bob, pytest.raises(errors.InsufficientPrivilege):
        bob.execute(f"INSERT INTO {table} VALUES (1, 'a')")
    assert ids(data_pool, table) == []


def test_values_of_all_types_come_back_as_they_were(data_pool: DataPool) -> None:
    columns = [{"name": "id", "type": "integer"}, *({"name": f"c{n}", "type": one} for n, one in enumerate(TYPES))]
    with data_pool.connect("admin") as admin:
        admin.execute("CALL bdc.create_data_table('public.types', %s::jsonb)", [Json(columns)])
        rows = max(len(values) for values in TYPES.values())
        for row in range(rows + 1):
            values = [values[row] if row < len(values) else None for values in TYPES.values()]
            items = ", ".join(f"%s::{one}" for one in TYPES)
            admin.execute(f"INSERT INTO public.types SELECT {row}, {items}", values)
            kept = ", ".join(f"c{n} IS NOT DISTINCT FROM %s::{one}" for n, one in enumerate(TYPES))
            found = admin.execute(f"SELECT {kept} FROM (SELECT * FROM public.types OFFSET 0) AS t WHERE id = {row}", values).fetchone()
            wrong = [name for name, same in zip(TYPES, found or (), strict=True) if not same]
            assert not wrong


def rows_of(pool: DataPool, table: str) -> list[tuple[object, ...]]:
    with pool.connect("alice") as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()


@pytest.mark.parametrize("distribution", ["ROUND_ROBIN", "HASH(id)", "REPLICATED"])
def test_update_and_delete(data_pool: DataPool, connection: psycopg.Connection[tuple[object, ...]], distribution: str) -> None:
    table = make_table(data_pool, distribution)
    connection.execute(f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b'), (3, NULL), (4, 'd')")
    assert connection.execute(f"UPDATE {table} SET name = name || '!' WHERE id < 3").rowcount == 2
    assert connection.execute(f"DELETE FROM {table} WHERE name IS NULL").rowcount == 1
    assert connection.execute(f"DELETE FROM {table} WHERE id > 100").rowcount == 0
    assert rows_of(data_pool, table) == [(1, "a!"), (2, "b!"), (4, "d")]
    with connection.transaction(force_rollback=True):
        connection.execute(f"DELETE FROM {table}")
    with connection.transaction():
        connection.execute(f"INSERT INTO {table} VALUES (5, 'e')")
        with connection.transaction(force_rollback=True):
            assert connection.execute(f"DELETE FROM {table} WHERE id = 1").rowcount == 1
        assert connection.execute(f"UPDATE {table} SET name = 'x' WHERE id >= 4").rowcount == 2
        assert connection.execute(f"UPDATE {table} SET name = name || 'y' WHERE id = 5").rowcount == 1
    assert rows_of(data_pool, table) == [(1, "a!"), (2, "b!"), (4, "x"), (5, "xy")]


def test_two_transactions_that_change_the_same_row(data_pool: DataPool) -> None:
    table = make_table(data_pool)
    with data_pool.connect("alice") as one, data_pool.connect("alice") as two:
        one.execute(f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b')")
        with pytest.raises(errors.SerializationFailure), two.transaction():
            assert two.execute(f"UPDATE {table} SET name = 'two' WHERE id = 2").rowcount == 1
            with one.transaction():
                one.execute(f"UPDATE {table} SET name = 'one' WHERE id = 1")
            two.execute(f"UPDATE {table} SET name = 'two' WHERE id = 1")
    assert rows_of(data_pool, table) == [(1, "one"), (2, "b")]


@pytest.mark.parametrize("change", ["UPDATE {} SET name = 'x'", "DELETE FROM {} WHERE id = 1"])
@pytest.mark.parametrize("replacing", ["overwrite", "truncate"])
def test_a_change_of_rows_that_were_replaced_since_the_snapshot(
    data_pool: DataPool, connection: psycopg.Connection[tuple[object, ...]], change: str, replacing: str
) -> None:
    """It can't be answered as done: what it would change is not there any more, and what is there it has not seen."""
    table, other = make_table(data_pool), make_table(data_pool)
    connection.execute(f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b')")
    with data_pool.admin() as admin:
        admin.execute(f"GRANT TRUNCATE ON {table} TO alice")
    with pytest.raises(errors.SerializationFailure), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert connection.execute(f"SELECT count(*) FROM {other}").fetchone() == (0,)
        client = data_pool.client("alice")
        client.load(table, spread(1, 2) if replacing == "overwrite" else {}, replacing)
        client.close()
        connection.execute(change.format(table))
    assert rows_of(data_pool, table) == ([(1, "row 1"), (2, "row 2")] if replacing == "overwrite" else [])


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("UPDATE {} AS t SET name = 'x' WHERE id = (SELECT max(u.id) FROM {} AS u WHERE u.name = t.name)", errors.FeatureNotSupported),
        ("UPDATE {} SET id = 5", errors.FeatureNotSupported),
        ("UPDATE {} SET nothing = 5", errors.UndefinedColumn),
        ("UPDATE {} SET name = NULL WHERE id = 1 RETURNING id", errors.FeatureNotSupported),
        ("UPDATE {} SET name = 'x' WHERE nothing = 1", errors.UndefinedColumn),
        ("DELETE FROM {} AS t USING {} AS u WHERE t.id = u.id", errors.FeatureNotSupported),
        ("INSERT INTO {} VALUES (1, 'a') RETURNING id", errors.FeatureNotSupported),
        ("UPDATE {} SET name = 'infinity'::date::text", errors.FeatureNotSupported),
        ("INSERT INTO {} VALUES (1, 'a') ON CONFLICT DO NOTHING", errors.FeatureNotSupported),
        ("INSERT INTO {} VALUES ('x', 'a')", errors.InvalidTextRepresentation),
    ],
)
def test_what_is_refused(
    data_pool: DataPool, connection: psycopg.Connection[tuple[object, ...]], sql: str, error: type[psycopg.Error]
) -> None:
    table = make_table(data_pool, "HASH(id)")
    connection.execute(f"INSERT INTO {table} VALUES (1, 'kept')")
    with pytest.raises(error):
        connection.execute(sql.replace("{}", table))
    assert rows_of(data_pool, table) == [(1, "kept")]


def test_copy_into_a_table(data_pool: DataPool) -> None:
    table = make_table(data_pool, "HASH(id)", "id")

    def copy(session: psycopg.Connection[tuple[object, ...]], text: str) -> None:
        with session.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT csv)") as stream:
            stream.write(text)

    with data_pool.connect("alice") as session:
        copy(session, "".join(f"{number},row {number}\n" for number in range(2500)))
        mistakes = {
            "5000,new\n7,there\n": errors.UniqueViolation,
            ",x\n": errors.NotNullViolation,
            "x,y\n": errors.InvalidTextRepresentation,
        }
        for text, error in mistakes.items():
            with pytest.raises(error):
                copy(session, text)
        assert session.execute(f"SELECT count(*), sum(id) FROM {table}").fetchone() == (2500, 3_123_750)


def test_wide_rows(data_pool: DataPool) -> None:
    table = make_table(data_pool, "HASH(id)")
    with data_pool.connect("alice") as connection:
        connection.execute(f"INSERT INTO {table} SELECT i, repeat('x', 20000) FROM generate_series(1, 1500) AS i")
        assert connection.execute(f"SELECT count(*), sum(length(name)) FROM {table}").fetchone() == (1500, 30_000_000)


def test_rows_of_other_tables_choose_what_is_changed(data_pool: DataPool) -> None:
    """As the hint of what the master can't ship whole has it: the master finds the keys first, and the shards get them."""
    table, other = make_table(data_pool, "HASH(id)", "id"), make_table(data_pool)
    with data_pool.connect("alice") as alice:
        alice.execute(f"INSERT INTO {table} SELECT i, 'old' FROM generate_series(1, 8) AS i")
        alice.execute(f"INSERT INTO {other} VALUES (7, 'x'), (8, 'y')")
        alice.execute("CREATE TEMP TABLE chosen AS SELECT i::int AS id FROM generate_series(1, 3) AS i")
        with pytest.raises(errors.FeatureNotSupported) as refused:
            alice.execute(f"UPDATE {table} SET name = 'new' WHERE id IN (SELECT id FROM chosen)")
        assert "= ANY (ARRAY(SELECT" in str(refused.value.diag.message_hint)
        for changed, statement in (
            (3, "UPDATE {} SET name = 'new' WHERE id = ANY (ARRAY(SELECT id FROM chosen))"),
            (2, f"UPDATE {{}} SET name = (SELECT max(id)::text FROM chosen) WHERE id = ANY (ARRAY(SELECT id FROM {other}))"),
            (1, "DELETE FROM {} WHERE id <> ALL (ARRAY(SELECT id FROM chosen)) AND id = 4"),
            (3, "DELETE FROM {0} WHERE id = ANY (ARRAY(SELECT id FROM {0} WHERE name = 'new'))"),
            (0, "DELETE FROM {} WHERE id = ANY (ARRAY(SELECT id FROM chosen WHERE id > 3))"),
        ):
            assert alice.execute(statement.format(table).encode()).rowcount == changed, statement
        found = alice.execute(f"SELECT id, name FROM {table} ORDER BY id".encode()).fetchall()
    assert found == [(5, "old"), (6, "old"), (7, "3"), (8, "3")]
