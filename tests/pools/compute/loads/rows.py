"""Tables and rows that these tests share."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from tests.patience import PATIENCE
from tests.services.data_pool import DataPool

_NUMBERS = itertools.count()
SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string())])
COLUMNS = '[{"name": "id", "type": "bigint", "nullable": false}, {"name": "name", "type": "text"}]'


def rows(*ids: int, name: str | None = None) -> pa.Table:
    return pa.table([pa.array(ids, pa.int64()), pa.array([name or f"row {one}" for one in ids])], schema=SCHEMA)


def spread(*ids: int, name: str | None = None) -> dict[int, pa.Table]:
    """Even ones to shard 0, odd ones to shard 1."""
    return {shard: rows(*(one for one in ids if one % 2 == shard), name=name) for shard in (0, 1)}


def make_table(pool: DataPool, distribution: str = "ROUND_ROBIN", key: str | None = None, database: str = "bdc") -> str:
    """A new table that alice may write and bob may only read; its name."""
    name = f"public.t{next(_NUMBERS)}"
    with pool.admin(database) as admin:
        admin.execute("CALL bdc.create_data_table(%s, %s::jsonb, %s, %s)", [name, COLUMNS, distribution, None if key is None else [key]])
        admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO alice")
        admin.execute(f"GRANT SELECT ON {name} TO bob")
    return name


def ids(pool: DataPool, table: str, user: str = "alice") -> list[int]:
    with pool.connect(user) as connection:
        return [number for (number,) in connection.execute(f"SELECT id FROM {table} ORDER BY id").fetchall()]


def eventually(holds: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while not (answer := holds()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
    return answer
