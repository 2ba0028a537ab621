"""NaN is above all numbers, and no bound of a Parquet file tells of it (found by the verifier)."""

from __future__ import annotations

import pathlib
import re

import duckdb
import pytest
import sqlglot

from tests.virtualization.connectors.hdfs import formats
from tests.virtualization.connectors.hdfs.local import SOURCE, Lake
from virtualization.catalog import MemoryCatalog
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.verify.answers import Answer
from virtualization.verify.sides import EngineSide


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT count(*) FROM parquet WHERE ratio > 1.5", [("25",)]),
        ("SELECT count(*) FROM parquet WHERE NOT ratio <= 1.5", [("25",)]),
        ("SELECT id FROM parquet WHERE part = 1 ORDER BY ratio DESC NULLS LAST, id LIMIT 2 OFFSET 4", [("44",), ("21",)]),
        ("SELECT count(*) FROM parquet WHERE ratio > 1.5 AND id >= 40", [("9",)]),
        ("SELECT count(*) FROM parquet WHERE ratio > 1.5 AND (id >= 60 OR ratio > 1e301)", [("14",)]),
        ("SELECT count(*) FROM parquet a JOIN orc b USING (ratio, id, part) WHERE b.ratio > 1e301", [("13",)]),
    ],
)  # fmt: skip
def test_rows_with_nan_are_found(lake: Lake, tmp_path: pathlib.Path, sql: str, expected: list[tuple[str, ...]]) -> None:
    catalog = MemoryCatalog.of([SOURCE], formats.write(lake, SOURCE.name))
    engine = Engine([DuckDbExecutor(256 << 20, tmp_path / "spill", 1)], {"hdfs": lambda _: lake.connector})
    try:
        answer = EngineSide("here", engine, catalog).ask(sql)
    finally:
        engine.close()
    assert isinstance(answer, Answer), answer
    assert answer.rows == expected


def test_conditions_on_other_columns_reach_the_reader(lake: Lake) -> None:
    table = next(one for one in formats.write(lake, SOURCE.name) if one.name == "parquet")
    asked = [sqlglot.parse_one(text, dialect="postgres") for text in ("id >= 40", "ratio > 1.5", "id < 70 OR ratio > 2")]
    scanned = lake.connector.scan(table, ["id", "ratio"], asked)
    assert not scanned.left
    sql = str(scanned.fragment.duckdb_sql())
    below, _, above = sql.partition(" OFFSET 0)")
    assert below.endswith('WHERE ("id" >= 40)')
    assert '"ratio" > ' in above and '"id" < 70' in above
    connection = duckdb.connect()
    scanned.fragment.prepare_duckdb(connection)
    plan = connection.execute(f"EXPLAIN {sql}").fetchall()[0][1]
    assert re.search(r"Filters:\s+id\s*>=\s*40", plan), plan
