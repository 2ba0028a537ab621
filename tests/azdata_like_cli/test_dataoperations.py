"""Commands that the pool carries out: asked for, followed to their end, told."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from azdata_like_cli.dataoperations import problem
from bdc.errors import ConflictError, ForbiddenError, ServiceError
from tests.azdata_like_cli.administrator import USER, admin
from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.test_data import Admin, make, pool
from tests.patience import PATIENCE
from tests.pools.master.conftest import Master, database, master

__all__ = ["admin", "database", "master", "pool"]  # fixtures

pytestmark = pytest.mark.service


class Carrier:
    """A stand-in for the compute pool: takes one operation and ends it as told."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self.asked: list[dict[str, Any]] = []
        self._thread: threading.Thread | None = None

    def will_end(self, progress: dict[str, Any], problem: dict[str, Any] | None = None) -> None:
        """The next operation."""
        self._thread = threading.Thread(target=self._carry, args=(progress, problem))
        self._thread.start()

    def _carry(self, progress: dict[str, Any], problem: dict[str, Any] | None) -> None:
        holder, deadline = str(uuid.uuid4()), time.monotonic() + PATIENCE
        with self._admin() as connection:
            while time.monotonic() < deadline:
                (taken,) = connection.execute("SELECT bdc.pool_take_operation(%s)", [holder]).fetchone() or (None,)
                if taken is not None:
                    break
                time.sleep(0.05)
            self.asked.append(taken)
            connection.execute("SELECT bdc.pool_tell_operation(%s, %s, %s)", [taken["id"], holder, json.dumps({"rows": 1})])
            why = None if problem is None else json.dumps(problem)
            connection.execute("SELECT bdc.pool_end_operation(%s, %s, %s, %s)", [taken["id"], holder, json.dumps(progress), why])

    def end(self) -> None:
        if self._thread is not None:
            self._thread.join()


@pytest.fixture
def carrier(pool: Admin, master: Master, database: str) -> Iterator[Carrier]:
    master.pool.answer(database, {"action": "data_operate", "user": USER})
    made = Carrier(pool)
    yield made
    made.end()


def test_a_backup_is_followed_to_its_end(bdc: Run, carrier: Carrier) -> None:
    carrier.will_end({"tables": 1, "rows": 7, "bytes": 10, "folder": "/b/x"})
    done = bdc("data", "backup", "hdfs:/b/x", "--table", "orders", "-o", "json")
    assert done.code == 0, done.err
    assert done.json["rows"] == 7 and done.json["folder"] == "/b/x"
    (asked,) = carrier.asked
    assert (asked["kind"], asked["request"], asked["user"]) == ("backup", {"folder": "hdfs:/b/x", "tables": ["orders"]}, USER)
    (listed,) = bdc("data", "operations", "-o", "json").json
    assert (listed["kind"], listed["state"]) == ("backup", "done")


def test_a_failed_restore_says_why(bdc: Run, carrier: Carrier) -> None:
    carrier.will_end({}, {"sqlstate": "42P07", "message": "it exists", "detail": "3 loads", "hint": "--overwrite"})
    failed = bdc("data", "restore", "hdfs:/b/x", "--as", "other")
    assert failed.code == 1 and "it exists" in failed.err and "3 loads" in failed.err and "--overwrite" in failed.err
    assert carrier.asked[0]["request"] == {"folder": "hdfs:/b/x", "overwrite": False, "as": "other"}


def test_lost_loads_are_named(bdc: Run, carrier: Carrier) -> None:
    carrier.will_end({"tables": 1, "rows": 3, "lost": [["public.t", "l1", "alice", "noon", 5]]})
    done = bdc("data", "restore", "hdfs:/b/x", "--overwrite", "--yes")
    assert done.code == 0 and "load l1 into public.t by alice at noon, 5 rows" in done.err


def test_resize_and_export(bdc: Run, carrier: Carrier) -> None:
    make(bdc)
    carrier.will_end({"tables": 2, "moved": 1, "rows": 9})
    assert "1 of 2 tables moved" in bdc("data", "resize", "--shards", "3").out
    carrier.end()
    carrier.will_end({"tables": 1, "rows": 9, "bytes": 9, "path": "/e"})
    assert bdc("data", "export", "orders", "hdfs:/e", "--format", "parquet").code == 0
    assert [one["request"] for one in carrier.asked] == [{"shards": 3}, {"table": '"public"."orders"', "path": "hdfs:/e"}]


def test_what_is_refused_before_it_begins(bdc: Run, pool: Admin) -> None:
    make(bdc)
    assert "hdfs:/" in bdc("data", "backup", "/local/folder").err
    assert "replaces nothing" in bdc("data", "export", "orders", "hdfs:/e", "--force").err
    assert "no operation" in bdc("data", "cancel", str(uuid.uuid4())).err


def test_errors_have_their_kinds() -> None:
    assert isinstance(problem({"sqlstate": "58P02", "message": "x"}), ConflictError)
    assert isinstance(problem({"sqlstate": "42501", "message": "x"}), ForbiddenError)
    assert isinstance(problem({"sqlstate": "08006", "message": "x"}), ServiceError)
    assert isinstance(problem(None), ServiceError)
