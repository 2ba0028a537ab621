"""Tables of the data pool: made, refused, altered, dropped, copied, dumped and restored."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from tests.pools.master.conftest import Master
from tests.pools.master.data_tables import COLUMNS, SHARDS, Pool, announce_shards


@pytest.fixture
def admin(people, master: Master, database: str) -> psycopg.Connection:
    connection = people("ada", "admin")
    connection.execute("CALL bdc.create_data_source('data_pool', 'datapool', 'datapool:')")
    announce_shards(master, database, "ada")
    return connection


@pytest.fixture
def pool(master: Master, database: str):
    made = Pool(master, database)
    yield made
    made.connection.close()


def test_a_table_with_its_foreign_table(admin, pool: Pool) -> None:
    admin.execute("CALL bdc.create_data_table('t', %s, 'hash(id)')", [COLUMNS])
    (table,) = pool.ask("catalog")["tables"]
    data = table["data"]
    assert table["location"] == data["id"] and table["source"] == "data_pool"
    assert data["columns"] == [
        {"id": 1, "name": "id", "type": "bigint", "nullable": False, "remote": "id"},
        {"id": 2, "name": "price", "type": "numeric(12,2)", "nullable": True, "remote": "price"},
    ]
    assert data["distribution"] == {"kind": "hash", "columns": ["id"], "hash_version": 1}
    assert (data["shards"], data["buckets"], data["schema_version"], data["primary_key"]) == (SHARDS, [0, 1] * 128, 1, [])
    assert data["identity"] == pool.ask("catalog")["identity"]
    options = dict(admin.execute("SELECT (pg_options_to_table(ftoptions)).* FROM pg_foreign_table WHERE ftrelid = 't'::regclass").fetchall())
    assert (options["updatable"], options["truncatable"], int(options["batch_size"]) > 1) == ("true", "true", True)
