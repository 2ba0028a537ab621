"""NaN is above all numbers, and no bound of a Parquet file tells of it (found by the verifier)."""

from __future__ import annotations

import pathlib

import pytest

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
