"""What DuckDB reads by itself is counted from its own profile, for whoever asks (EXPLAIN ANALYZE)."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pytest

from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.parse import parse
from virtualization.plan import Batches, OutputColumn, Plan, QueryContext


@dataclass(frozen=True)
class FileFragment:
    """A scan of a local file that the executor reads itself."""

    path: pathlib.Path
    source: str = "lake"
    columns: tuple[OutputColumn, ...] = (OutputColumn("id", "bigint"), OutputColumn("k", "bigint"))
    tables: tuple[tuple[str, str], ...] = (("public", "t"),)
    text: str = "scan"

    def open(self, context: QueryContext) -> Batches:
        raise AssertionError("the executor reads it")

    def duckdb_sql(self) -> str:
        return f"SELECT id, k FROM read_parquet('{self.path}')"

    def prepare_duckdb(self, connection: object) -> None:
        """Nothing."""

    def fault(self, error: Exception) -> None:
        return


@pytest.fixture
def engine(tmp_path: pathlib.Path) -> Iterator[Engine]:
    made = Engine([DuckDbExecutor(1 << 28, tmp_path / "spill", 1)])
    yield made
    made.close()


def test_each_file_scan_is_told_to_its_own_fragment(engine: Engine, tmp_path: pathlib.Path) -> None:
    files = [tmp_path / "many.parquet", tmp_path / "few.parquet"]
    for file, rows in zip(files, (9000, 10), strict=True):
        duckdb.sql(f"COPY (SELECT g AS id, g % 7 AS k FROM range({rows}) t(g)) TO '{file}'")
    residual = parse("SELECT a.id FROM __f0 a LEFT JOIN __f1 b ON a.id = b.id")
    plan = Plan("", tuple(FileFragment(file) for file in files), residual, "duckdb", None)
    context = QueryContext()
    assert sum(batch.num_rows for batch in engine.run(plan, context)) == 9000
    assert [(counts.rows, counts.opened) for counts in context.moved] == [(9000, 1), (10, 1)]
    assert all(counts.bytes >= counts.rows * 8 for counts in context.moved)
    left = QueryContext()
    result = engine.run(plan, left)
    next(iter(result))
    result.close()
    assert [counts.opened for counts in left.moved] == [0, 0], "nobody knows: there is no profile before the end"
