"""Option ``impersonation = role``: the source sees the caller, in every session, and nobody sees another's rows."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.connectors.conformance import read, table
from virtualization.catalog import Column, Credential, DataSource, VirtualTable
from virtualization.connectors.postgresql import PostgresqlConnector
from virtualization.connectors.postgresql.options import settings
from virtualization.connectors.postgresql.passthrough import passthrough
from virtualization.errors import DefinitionError, SourceCredentialError, UnsupportedError
from virtualization.plan import QueryContext

pytestmark = pytest.mark.service
DATABASE = "impersonation_tests"
USERS = ("ann", "bo.b-2", 'o"d d\\')
"""The last is none that the cluster would take: names are carried as they are, whatever they hold."""
MADE = """
CREATE TABLE orders AS SELECT g::bigint AS id, (ARRAY['ann', 'bo.b-2'])[1 + g % 2] AS owner FROM generate_series(1, 10) g;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON orders USING (owner = current_user);
CREATE VIEW me AS SELECT current_user::text AS who, session_user::text AS login;
CREATE ROLE gate LOGIN PASSWORD 'right' NOINHERIT;
CREATE ROLE stranger;
GRANT SELECT ON me TO PUBLIC;
"""
ME = table("public.me", [Column("who", "text"), Column("login", "text")])
ORDERS = table("public.orders", [Column("id", "bigint"), Column("owner", "text")])


@pytest.fixture(scope="module")
def source(postgresql: PostgresqlServer) -> Iterator[DataSource]:
    with postgresql.connect() as admin:
        admin.execute(f"CREATE DATABASE {DATABASE}".encode())
        with postgresql.connect(DATABASE) as session:
            session.execute(MADE.encode())
            for user in USERS:
                name = '"' + user.replace('"', '""') + '"'
                session.execute(f"CREATE ROLE {name}; GRANT {name} TO gate; GRANT SELECT ON orders TO {name}".encode())
        location = f"postgresql://127.0.0.1:{postgresql.port}/{DATABASE}"
        yield DataSource("src", "postgresql", location, {"impersonation": "role", "max_connections": "2"}, Credential("gate", "right"))
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())
        for user in ("gate", "stranger", *USERS):
            admin.execute(('DROP ROLE "' + user.replace('"', '""') + '"').encode())


@pytest.fixture
def connector(source: DataSource) -> Iterator[PostgresqlConnector]:
    made = PostgresqlConnector(source)
    yield made
    made.close()


def rows(connector: PostgresqlConnector, table: VirtualTable, user: str) -> pa.Table:
    return read(connector.scan(table, [column.name for column in table.columns], []).fragment, QueryContext(user=user))


@pytest.mark.parametrize("user", USERS)
def test_the_other_end_sees_the_caller(connector: PostgresqlConnector, user: str) -> None:
    assert rows(connector, ME, user).to_pylist() == [{"who": user, "login": "gate"}]


def test_rows_are_the_callers_whoever_came_before(connector: PostgresqlConnector) -> None:
    def owners(user: str) -> set[str]:
        return set(rows(connector, ORDERS, user)["owner"].to_pylist())

    users = ["ann", "bo.b-2"] * 10
    with ThreadPoolExecutor(4) as threads:  # two sessions for all of them: each is taken over, or ended, again and again
        assert [(user, found) for user, found in zip(users, threads.map(owners, users), strict=True) if found != {user}] == []


@pytest.mark.parametrize("user", ["stranger", "nobody_there"])
def test_who_is_not_let_through_reads_nothing(connector: PostgresqlConnector, user: str) -> None:
    with pytest.raises(SourceCredentialError, match=r"does not let the credential's user act as the caller|refused the login"):
        rows(connector, ME, user)


def test_a_text_of_ones_own_could_take_another_role(source: DataSource) -> None:
    with pytest.raises(UnsupportedError, match="lets each user read as the role"):
        passthrough(settings(source), "SELECT set_config('role', 'ann', false)", QueryContext(user="bo.b-2"))


def test_another_word_is_refused() -> None:
    with pytest.raises(DefinitionError, match="impersonation"):
        settings(DataSource("src", "postgresql", "postgresql://h/d", {"impersonation": "caller"}))
