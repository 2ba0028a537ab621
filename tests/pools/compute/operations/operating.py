"""A data pool of three shards beside an HDFS, and operations carried out in it, for tests."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.services.data_pool import DataPool, data_pool
from tests.services.forkserver import Forks
from tests.services.hdfs import HdfsServer

SECONDS = 90


@dataclass
class Stage:
    """Both services; paths lie below ``/backups``, which admin owns."""

    pool: DataPool
    hdfs: HdfsServer

    def begin(self, kind: str, **request: object) -> str:
        """Ask for it, as admin; its id."""
        operation = str(uuid.uuid4())
        with self.pool.connect("admin") as connection:
            connection.execute("CALL bdc.start_data_operation(%s::uuid, %s, %s::jsonb)", [operation, kind, json.dumps(request)])
        return operation

    def end(self, operation: str) -> dict[str, Any]:
        """Its row, once it has ended."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            found = self.look(operation)
            if found["state"] in ("done", "failed"):
                return found
            time.sleep(0.1)
        raise AssertionError(f"it did not end: {found}\n{self.pool.replicas[0].log[-3000:]}")

    def look(self, operation: str) -> dict[str, Any]:
        """Its row."""
        with self.pool.connect("admin") as connection:
            query = "SELECT to_jsonb(v) FROM bdc.data_operations_view AS v WHERE id = %s"
            row = connection.execute(query, [operation]).fetchone()
            assert row is not None
            found: dict[str, Any] = row[0]
            return found

    def done(self, kind: str, **request: object) -> dict[str, Any]:
        """Begun and ended well; its progress."""
        found = self.end(self.begin(kind, **request))
        assert found["state"] == "done", found["problem"]
        progress: dict[str, Any] = found["progress"]
        return progress

    def refused(self, kind: str, **request: object) -> dict[str, Any]:
        """Begun and failed; its problem."""
        found = self.end(self.begin(kind, **request))
        assert found["state"] == "failed", found
        problem: dict[str, Any] = found["problem"]
        return problem

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Of a query at the master, as admin."""
        with self.pool.connect("admin") as connection:
            return connection.execute(sql.encode()).fetchall()

    def counts(self, table: str) -> dict[int, int]:
        """Rows on each shard that the table is on."""
        return {shard: rows for shard, rows in self.rows(f"SELECT shard, rows FROM bdc.data_stats('{table}')")}

    def read(self, path: str) -> bytes:
        """A file."""
        with self.hdfs.superuser() as client:
            return bytes(client.read(path).readall())

    def names(self, folder: str) -> list[str]:
        """All files and folders below, hidden ones too."""
        with self.hdfs.superuser() as client:
            return sorted(entry.path for entry in client.list_status(folder, True))

    def parquet(self, path: str) -> pa.Table:
        """A file's rows."""
        return pq.read_table(pa.BufferReader(self.read(path)))


@contextmanager
def stage(hdfs: HdfsServer, forks: Forks) -> Iterator[Stage]:
    """With a data pool of three shards (about 7 s) over ``hdfs``."""
    with data_pool(shards=3, forks=forks) as pool:
        with hdfs.superuser() as client:
            client.mkdirs("/backups", 0o755, True)
            client.set_owner("/backups", "admin", None)
        with pool.admin() as admin:
            admin.execute("CALL bdc.create_data_source('hdfs', 'hdfs', %s)", [hdfs.location])
            admin.execute("GRANT CREATE ON SCHEMA public TO admin")
        yield Stage(pool, hdfs)
    hdfs.empty()
