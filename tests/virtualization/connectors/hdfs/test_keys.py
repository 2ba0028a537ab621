"""Keys of another source: exact rows where this connector reads, only their bounds where an executor joins by them itself."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.virtualization.connectors.conformance import read
from tests.virtualization.connectors.hdfs.local import Lake
from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.hdfs.fragments import FilesFragment


@pytest.fixture
def scan(lake: Lake) -> FilesFragment:
    made = io.BytesIO()
    pq.write_table(pa.table({"id": range(1000)}), made)
    columns = (Column("id", "bigint"),)
    of = VirtualTable("public", "t", "src", lake.write("/t.parquet", made.getvalue()), columns, {})
    fragment = lake.connector.scan(of, ["id"], []).fragment
    assert isinstance(fragment, FilesFragment)
    return fragment


@pytest.mark.parametrize("keys", [[3], [3, 5, 900], [-1, 2000], []])
def test_rows_are_exactly_those_with_the_keys(scan: FilesFragment, keys: list[int]) -> None:
    asked = scan.with_keys("id", pa.array(keys, pa.int64()))
    assert read(asked)["id"].to_pylist() == [key for key in keys if 0 <= key < 1000]


def test_an_executor_is_told_the_bounds_only(scan: FilesFragment) -> None:
    text = scan.with_keys("id", pa.array([3, 5, 900])).duckdb_sql()
    assert text is not None and '"id" BETWEEN 3 AND 900' in text and " IN (" not in text
