"""Tables and queries as Arrow and pandas, without Spark."""

from __future__ import annotations

import secrets

import pandas as pd
import pyarrow as pa
import pytest

import pyspark_bdc
from pyspark_bdc.errors import OptionError
from tests.services.data_pool import PASSWORD, DataPool

ROWS = 500


@pytest.fixture(scope="module")
def options(data_pool: DataPool) -> dict[str, str]:
    """A login, and a table of the data pool."""
    table = f"frames_{secrets.token_hex(4)}"
    columns = '[{"name": "id", "type": "bigint"}, {"name": "price", "type": "numeric(12,2)"}, {"name": "day", "type": "date"}]'
    with data_pool.connect("admin") as master:
        master.execute(f"CALL bdc.create_data_table('{table}', '{columns}', 'HASH(id)')".encode())
        values = "i, i / 4.0, CASE WHEN i % 2 = 0 THEN date '2026-01-01' + i::int END"
        master.execute(f"INSERT INTO {table} SELECT {values} FROM generate_series(1, {ROWS}) AS i".encode())
    return {"host": "127.0.0.1", "port": str(data_pool.master.port), "user": "admin", "password": PASSWORD, "dbtable": table}


@pytest.mark.parametrize("way", ["shards", "sql"])
def test_all_rows_exact_by_either_way(options: dict[str, str], way: str) -> None:
    found = pyspark_bdc.read_arrow(**options, readFrom=way)
    assert found.schema.types == [pa.int64(), pa.decimal128(12, 2), pa.date32()]
    rows = found.sort_by("id").to_pylist()
    assert [row["id"] for row in rows] == list(range(1, ROWS + 1))
    assert [str(rows[0]["price"]), rows[0]["day"], str(rows[1]["day"])] == ["0.25", None, "2026-01-03"]


def test_pandas_keeps_numbers_and_nulls_as_they_are(options: dict[str, str]) -> None:
    frame = pyspark_bdc.read_pandas(**options, columns="price, day")
    assert list(frame.columns) == ["price", "day"]
    assert frame.dtypes["price"] == pd.ArrowDtype(pa.decimal128(12, 2))
    assert (len(frame), int(frame["day"].isna().sum()), str(frame["price"].sum())) == (ROWS, ROWS // 2, "31312.50")


def test_a_query_and_an_empty_table(options: dict[str, str]) -> None:
    login = {name: value for name, value in options.items() if name != "dbtable"}
    assert pyspark_bdc.read_arrow(**login, query=f"SELECT count(*) AS n FROM {options['dbtable']}").to_pylist() == [{"n": ROWS}]
    empty = pyspark_bdc.read_arrow(**login, query=f"SELECT * FROM {options['dbtable']} WHERE id < 0")
    assert (empty.num_rows, empty.column_names) == (0, ["id", "price", "day"])


def test_what_only_spark_can_do_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(OptionError, match="for Spark"):
        pyspark_bdc.read_arrow(**options, pushDownPredicate="true")
