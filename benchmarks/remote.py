"""What benchmarks put behind the cluster: a remote PostgreSQL with a million rows, and a Parquet file of two million in HDFS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from psycopg import sql

from tests.services.cluster import Stage
from tests.services.postgresql import PostgresqlServer, postgresql_server

POINTS = 1_000_000
ROWS = 2_000_000
SEED = 7


@contextmanager
def remote_postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL (wheel) with table ``points``: id, name, amount, made_on."""
    with postgresql_server("log_statement=none") as server, server.connect() as session:
        session.execute(
            "CREATE TABLE points (id bigint PRIMARY KEY, name text NOT NULL, amount numeric(12,2) NOT NULL, made_on date NOT NULL)"
        )
        session.execute(
            sql.SQL(
                "INSERT INTO points SELECT i, 'point ' || i, (i * 37 % 1000000)::numeric / 100, date '2020-01-01' + (i % 2000)::int "
                "FROM generate_series(1, {}) AS i"
            ).format(sql.Literal(POINTS))
        )
        session.execute("ANALYZE points")
        yield server


def add_points(place: Stage, server: PostgresqlServer) -> None:
    """Source ``remote`` and virtual table ``points`` over it."""
    place.bdc(
        "source", "create", "remote", "--connector", "postgresql", "--location", f"postgresql://127.0.0.1:{server.port}/postgres",
        "--user", server.user, "--password-stdin", output=None, secret=server.password + "\n",
    )  # fmt: skip
    place.bdc("table", "create", "points", "--source", "remote", "--location", "public.points", output=None)


def rows_table() -> pa.Table:
    """Two million rows of bigint, int, numeric(12,2), date, text, double; the same at each run."""
    random = np.random.default_rng(SEED)
    ids = np.arange(ROWS, dtype=np.int64)
    cents = random.integers(0, 10**9, ROWS)
    pairs = np.stack([cents, cents >> 63], axis=1)
    return pa.table(
        {
            "id": ids,
            "grp": random.integers(0, 1000, ROWS, dtype=np.int32),
            "amount": pa.Array.from_buffers(pa.decimal128(12, 2), ROWS, [None, pa.py_buffer(pairs.tobytes())]),
            "made_on": pa.array(random.integers(18262, 20454, ROWS, dtype=np.int32), pa.int32()).cast(pa.date32()),
            "note": pa.array([f"note {i % 5000}" for i in range(ROWS)]),
            "share": random.random(ROWS),
        }
    )


def add_rows(place: Stage) -> None:
    """``rows.parquet`` in HDFS and virtual table ``rows_parquet`` over it."""
    local = Path(place.folder) / "rows.parquet"
    pa.parquet.write_table(rows_table(), local, row_group_size=250_000)
    place.bdc("hdfs", "mkdir", "hdfs:/bench", output=None)
    place.bdc("hdfs", "cp", str(local), "hdfs:/bench/rows.parquet", output=None)
    place.bdc("table", "create", "rows_parquet", "--source", "hdfs", "--location", "/bench/rows.parquet", output=None)
