"""``bdc.merge``: what reaches the pool, and who may."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from tests.pools.master.conftest import Master
from tests.pools.master.data_tables import COLUMNS, xid_of

pytestmark = pytest.mark.service


def table_id(connection: psycopg.Connection, name: str) -> str:
    return str(connection.execute("SELECT id FROM bdc.data_tables_view WHERE table_name = %s", [name]).fetchone()[0])


@pytest.fixture
def pair(admin_of_data: psycopg.Connection) -> psycopg.Connection:
    admin_of_data.execute("CALL bdc.create_data_table('t', %s, 'HASH(id)', '{id}')", [COLUMNS])
    admin_of_data.execute("CALL bdc.create_data_table('s', %s)", [COLUMNS])
    return admin_of_data


def test_the_pool_gets_both_tables_the_keys_and_the_transaction(pair: psycopg.Connection, master: Master, database: str) -> None:
    with pair.transaction():
        request = {
            "action": "merge",
            "user": "ada",
            "target": {"id": table_id(pair, "t"), "schema": "public", "table": "t"},
            "source": {"id": table_id(pair, "s"), "schema": "public", "table": "s"},
            "keys": ["id"],
            "xid": xid_of(pair),
        }
        master.pool.answer(database, request, {"rows": 5})
        pair.execute("CALL bdc.merge('t', 's')")


def test_rights_on_both(pair: psycopg.Connection, people: Callable[..., psycopg.Connection]) -> None:
    bob = people("bob")
    for grant, wanted in (("", "INSERT"), ("GRANT INSERT ON t TO bob", "SELECT"), ("GRANT SELECT ON s TO bob", "UPDATE")):
        pair.execute(grant.encode() or b"SELECT 1")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=wanted):
            bob.execute("CALL bdc.merge('t', 's')")


def test_what_is_no_virtual_table(pair: psycopg.Connection) -> None:
    pair.execute("CREATE TABLE plain (id bigint)")
    with pytest.raises(psycopg.errors.UndefinedTable, match="plain"):
        pair.execute("CALL bdc.merge('t', 'plain')")
