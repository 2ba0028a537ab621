"""What the tests of the data pool's SQL share: two announced shards, the pool's connection, loads with few words."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from tests.pools.master.conftest import Master

SHARDS = [{"number": 0, "id": str(uuid.UUID(int=10))}, {"number": 1, "id": str(uuid.UUID(int=11))}]
COLUMNS = json.dumps([{"name": "id", "type": "bigint", "nullable": False}, {"name": "price", "type": "numeric(12,2)"}])


def announce_shards(master: Master, database: str, *users: str) -> None:
    for user in users:
        master.pool.answer(database, {"action": "shards", "user": user}, *SHARDS)


class Pool:
    """The compute pool's side: the functions that only ``bdc_pool`` may call."""

    def __init__(self, master: Master, database: str) -> None:
        self.connection = master.connect("bdc_pool", master.secrets["pool-password"], database)

    def ask(self, function: str, *arguments: object) -> Any:
        places = ", ".join(["%s"] * len(arguments))
        return self.connection.execute(f"SELECT bdc.pool_{function}({places})", arguments).fetchone()[0]

    def begin(self, table: str = "t", mode: str = "append", user: str = "ada", **more: object) -> dict[str, Any]:
        return self.ask("begin_load", user, json.dumps({"schema": "public", "table": table, "mode": mode, "seconds": 60, **more}))

    def decide(self, load: str, xid: str | None = None, rows: int | None = None) -> dict[str, Any]:
        return self.connection.execute("SELECT bdc.pool_decide_load(%s, %s::xid8, %s)", [load, xid, rows]).fetchone()[0]

    def abort(self, load: str, reason: str = "not wanted") -> dict[str, Any]:
        return self.ask("abort_load", load, reason)

    def snapshot(self) -> int:
        return self.ask("snapshot")["snapshot"]


def session_of(connection: psycopg.Connection) -> str:
    """The session's ``%c``."""
    name = "to_hex(floor(extract(epoch FROM backend_start))::bigint) || '.' || to_hex(pid)"
    query = f"SELECT {name} FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    return str(connection.execute(query).fetchone()[0])


def xid_of(connection: psycopg.Connection) -> str:
    """Gives the transaction that the connection is in a number, and returns it."""
    return str(connection.execute("SELECT pg_current_xact_id()::text").fetchone()[0])
