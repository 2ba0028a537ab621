"""Tables of the data pool: made, refused, altered, dropped, copied, dumped and restored."""

from __future__ import annotations

import psycopg

from tests.pools.master.data_tables import COLUMNS, SHARDS, Pool


def test_a_table_with_its_foreign_table(admin_of_data: psycopg.Connection, data_pool: Pool) -> None:
    admin_of_data.execute("CALL bdc.create_data_table('t', %s, 'hash(id)')", [COLUMNS])
    (table,) = data_pool.ask("catalog")["tables"]
    data = table["data"]
    assert table["location"] == data["id"] and table["source"] == "data_pool"
    assert data["columns"] == [
        {"id": 1, "name": "id", "type": "bigint", "nullable": False, "remote": "id"},
        {"id": 2, "name": "price", "type": "numeric(12,2)", "nullable": True, "remote": "price"},
    ]
    assert data["distribution"] == {"kind": "hash", "columns": ["id"], "hash_version": 1}
    assert (data["shards"], data["buckets"], data["schema_version"], data["primary_key"]) == (SHARDS, [0, 1] * 128, 1, [])
    assert data["identity"] == data_pool.ask("catalog")["identity"]
    options = dict(
        admin_of_data.execute("SELECT (pg_options_to_table(ftoptions)).* FROM pg_foreign_table WHERE ftrelid = 't'::regclass").fetchall()
    )
    assert (options["updatable"], options["truncatable"], int(options["batch_size"]) > 1) == ("true", "true", True)
