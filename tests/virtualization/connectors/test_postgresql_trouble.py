"""A PostgreSQL in trouble: see ``FaultConformance``; and what no other kind has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.connectors.conformance import FaultConformance, Trouble, failed, found, read, table
from virtualization.catalog import Column, Credential, DataSource
from virtualization.connectors.postgresql import PostgresqlConnector
from virtualization.errors import DataError, SourceError, SourceUnreachableError
from virtualization.plan import Connector, QueryContext

pytestmark = pytest.mark.service
DATABASE = "trouble_tests"
MADE = """
CREATE TABLE rows AS SELECT g::bigint AS id, g::integer AS n FROM generate_series(1, 3) g;
CREATE VIEW endless AS SELECT generate_series(0, 1000000000000) AS id;
CREATE VIEW slow AS SELECT 1::bigint AS id WHERE pg_sleep(600)::text = '';
CREATE ROLE troubled LOGIN PASSWORD 'right';
GRANT SELECT ON rows, endless, slow TO troubled;
"""
ID = Column("id", "bigint")


class PostgresqlTrouble(Trouble):
    rows = table("public.rows", [ID, Column("n", "integer")])
    endless, slow = table("public.endless", [ID]), table("public.slow", [ID])

    def __init__(self, server: PostgresqlServer) -> None:
        self._server, self.port = server, server.port

    def behind(self, port: int, **options: str) -> Connector:
        return self._connector(port, "right", options)

    def stranger(self) -> Connector:
        return self._connector(self.port, "planted-secret", {})

    def _connector(self, port: int, password: str, options: dict[str, str]) -> Connector:
        location = f"postgresql://127.0.0.1:{port}/{DATABASE}"
        return PostgresqlConnector(DataSource("src", "postgresql", location, options, Credential("troubled", password)))

    def _changed(self, statement: str) -> None:
        with self._server.connect(DATABASE) as session:
            session.execute(statement.encode())

    @contextmanager
    def without_right(self) -> Iterator[None]:
        self._changed("REVOKE SELECT ON rows FROM troubled")
        yield
        self._changed("GRANT SELECT ON rows TO troubled")

    @contextmanager
    def retyped(self) -> Iterator[None]:
        self._changed("ALTER TABLE rows ALTER n TYPE text USING 'abc'")
        yield
        self._changed("ALTER TABLE rows ALTER n TYPE integer USING id")

    def running(self) -> Sequence[object]:
        with self._server.connect() as session:
            return session.execute(
                "SELECT query FROM pg_stat_activity WHERE usename = 'troubled' AND state <> 'idle' AND backend_type = 'client backend'"
            ).fetchall()


@pytest.fixture(scope="module")
def trouble(postgresql: PostgresqlServer) -> Iterator[PostgresqlTrouble]:
    with postgresql.connect() as admin:
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with postgresql.connect(DATABASE) as made:
        made.execute(MADE)
    yield PostgresqlTrouble(postgresql)
    with postgresql.connect() as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        admin.execute("DROP ROLE troubled")


class TestFaults(FaultConformance):
    """Everything."""


def test_the_server_has_no_place_left(trouble: PostgresqlTrouble) -> None:
    """Its own cap, not ours."""
    try:
        with trouble.connected() as first, trouble.connected() as second:
            held = first.scan(trouble.endless, ["id"], []).fragment.open(QueryContext())
            trouble._changed("ALTER ROLE troubled CONNECTION LIMIT 1")
            error = failed(second.test, "too many connections")
            assert type(error) is SourceUnreachableError
            held.close()
    finally:
        trouble._changed("ALTER ROLE troubled CONNECTION LIMIT -1")


def test_as_many_columns_as_there_can_be(trouble: PostgresqlTrouble) -> None:
    columns = ", ".join(f"c{number} integer" for number in range(1600))
    trouble._changed(f"CREATE TABLE wide ({columns}); INSERT INTO wide (c0, c1599) VALUES (1, 2); GRANT SELECT ON wide TO troubled")
    with trouble.connected() as made:
        detected = made.detect("wide", {})
        assert len(detected.columns) == 1600
        wide = table("wide", detected.columns)
        rows = read(made.scan(wide, [column.name for column in wide.columns], []).fragment)
        assert rows["c1599"].to_pylist() == [2]


def test_texts_that_are_no_utf8(trouble: PostgresqlTrouble, postgresql: PostgresqlServer) -> None:
    with postgresql.connect() as admin:
        admin.execute("CREATE DATABASE no_encoding ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    with postgresql.connect("no_encoding") as made:
        made.execute("CREATE TABLE t AS SELECT 1::bigint AS id, E'a\\377b'::text AS s; GRANT SELECT ON t TO troubled")
    location = f"postgresql://127.0.0.1:{trouble.port}/no_encoding"
    connector = PostgresqlConnector(DataSource("src", "postgresql", location, {}, Credential("troubled", "right")))
    of = table("public.t", [ID, Column("s", "text")])
    assert read(connector.scan(of, ["id"], []).fragment)["id"].to_pylist() == [1]
    try:
        assert type(failed(lambda: read(connector.scan(of, ["s"], []).fragment), "public.t", "0xff")) is DataError
    finally:
        connector.close()
        with postgresql.connect() as admin:
            admin.execute("DROP DATABASE no_encoding WITH (FORCE)")


def test_a_long_value(trouble: PostgresqlTrouble) -> None:
    trouble._changed("CREATE VIEW long AS SELECT repeat('x', 100000000) AS s; GRANT SELECT ON long TO troubled")
    with trouble.connected() as made:
        (value,) = read(made.scan(table("long", [Column("s", "text")]), ["s"], []).fragment)["s"]
        assert len(value.as_py()) == 100_000_000


@pytest.mark.full
def test_the_longest_value(trouble: PostgresqlTrouble) -> None:
    """It comes whole, or is refused by name: the source itself sends no row of 1 GB."""
    size = 1_073_741_000
    trouble._changed(f"CREATE VIEW longest AS SELECT repeat('x', {size}) AS s; GRANT SELECT ON longest TO troubled")
    with trouble.connected() as made:
        try:
            (value,) = read(made.scan(table("longest", [Column("s", "text")]), ["s"], []).fragment)["s"]
        except SourceError as error:
            assert "longest" in str(error)
        else:
            assert value.as_buffer().size == size
        assert found(made, trouble.rows) == [1, 2, 3]
