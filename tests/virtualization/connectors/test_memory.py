"""Fifty million rows of a source and a reader that takes its time: what a connector holds stays small. In a process of its own, whose peak
of resident memory is its answer."""

from __future__ import annotations

import json
import pathlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.services import odbc
from tests.services.hdfs import HdfsServer
from tests.services.postgresql import PostgresqlServer

pytestmark = [pytest.mark.service, pytest.mark.full, pytest.mark.timeout(3600)]
ROWS = 50_000_000
MEGABYTES = 400
"""Interpreter, Arrow and driver take some 150."""

READER = """
import json, pathlib, sys, time
from virtualization import connections
from virtualization.catalog import Column, Credential, DataSource, MemoryCatalog, VirtualTable
from virtualization.engine import Engine
told = json.loads(sys.stdin.read())
login = Credential(told["user"], told["password"]) if "user" in told else None
source = DataSource("src", told["connector"], told["source"], told.get("options", {}), login)
table = VirtualTable("public", "t", "src", told["table"], (Column("id", "bigint"),), told.get("table_options", {}))
engine = Engine([])
rows, paused = 0, 0.0
begun = time.monotonic()
for batch in engine.run(engine.plan("SELECT id FROM t", MemoryCatalog.of([source], [table]))):
    rows += batch.num_rows
    if paused < 20:  # slower than the source for a while: what is not taken has to wait there
        time.sleep(0.05)
        paused += 0.05
engine.close()
peak = pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(json.dumps({"rows": rows, "megabytes": int(peak) // 1024}))
"""


def read_slowly(**told: object) -> None:
    done = subprocess.run([sys.executable, "-c", READER], input=json.dumps(told), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["rows"] == ROWS and found["megabytes"] < MEGABYTES, found


@pytest.fixture(scope="module")
def counted(postgresql: PostgresqlServer) -> Iterator[PostgresqlServer]:
    with postgresql.connect() as admin:
        admin.execute("CREATE DATABASE many_rows")
    with postgresql.connect("many_rows") as made:
        made.execute(f"CREATE VIEW t AS SELECT generate_series(1, {ROWS}::bigint) AS id")
    yield postgresql
    with postgresql.connect() as admin:
        admin.execute("DROP DATABASE many_rows WITH (FORCE)")


def test_postgresql(counted: PostgresqlServer) -> None:
    place = f"postgresql://127.0.0.1:{counted.port}/many_rows"
    read_slowly(connector="postgresql", source=place, user=counted.user, password=counted.password, table="public.t")


@pytest.mark.skipif(odbc.why_not() is not None, reason="no ODBC here")
def test_odbc_postgresql(counted: PostgresqlServer) -> None:
    place = f"odbc:Driver=PostgreSQL Unicode;Server=127.0.0.1;Port={counted.port};Database=many_rows"
    read_slowly(connector="odbc", source=place, user=counted.user, password=counted.password, table="public.t")


@pytest.mark.skipif(odbc.why_not() is not None, reason="no ODBC here")
def test_odbc_sqlite(tmp_path: pathlib.Path) -> None:
    with closing(sqlite3.connect(tmp_path / "many.db")) as made, made:
        made.execute(
            f"CREATE VIEW t AS WITH RECURSIVE g(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM g WHERE id < {ROWS}) SELECT id FROM g"
        )
    read_slowly(connector="odbc", source=f"odbc:Driver=SQLite3;Database={tmp_path}/many.db", table="t")


def test_files(hdfs: HdfsServer, tmp_path: pathlib.Path) -> None:
    million = ROWS // 10
    with pq.ParquetWriter(tmp_path / "many.parquet", pa.schema([("id", pa.int64())])) as writer:
        for part in range(10):
            writer.write_table(pa.table({"id": pa.array(range(part * million, (part + 1) * million), pa.int64())}), row_group_size=500_000)
    hdfs.write("/many.parquet", (tmp_path / "many.parquet").read_bytes(), replication=1)
    read_slowly(connector="hdfs", source=hdfs.location, options={"user": "nobody"}, table="/many.parquet")
