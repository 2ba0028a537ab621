"""``count(*)``, ``min`` and ``max`` by footers, and when rows are read after all."""

from __future__ import annotations

import datetime
import io
import pathlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from tests.virtualization.connectors.hdfs.local import SOURCE, Lake
from tests.virtualization.connectors.hdfs.rows import table
from virtualization.catalog import MemoryCatalog, VirtualTable
from virtualization.engine import Engine
from virtualization.errors import RemoteObjectError
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.plan import QueryContext

DAY = datetime.date(2024, 1, 1)


@pytest.fixture
def engine(lake: Lake, tmp_path: pathlib.Path) -> Iterator[Engine]:
    made = Engine([DuckDbExecutor(256 << 20, str(tmp_path / "spill"), 2)], {"hdfs": lambda _source: lake.connector})
    yield made
    made.close()


def write(lake: Lake, path: str, values: pa.Table, **options: Any) -> None:
    out = io.BytesIO()
    pq.write_table(values, out, **options)
    lake.write(path, out.getvalue())


@pytest.fixture
def sales(lake: Lake) -> VirtualTable:
    for year in (2023, 2024):
        ids = list(range(year * 100, year * 100 + 50))
        values = {
            "id": pa.array(ids, pa.int32()),
            "price": pa.array([Decimal(n) / 4 for n in range(50)], pa.decimal128(12, 2)),
            "f": [0.5] * 49 + [float("nan")],
            "day": [DAY + datetime.timedelta(n) for n in range(50)],
            "name": [f"{n:03}" for n in range(50)],
            "none": pa.array([None] * 50, pa.int64()),
        }
        write(lake, f"/s/year={year}/x.parquet", pa.table(values), row_group_size=20)
    columns = "id bigint; price numeric(12,2); f double precision; day date; name text; none bigint; year integer"
    return table("/s", columns, format="parquet", partitions="year")


def answer(engine: Engine, of: VirtualTable, sql: str) -> tuple[list[Any], bool]:
    """The rows, and did they come from one fragment?"""
    catalog = MemoryCatalog.of([SOURCE], [of])
    plan = engine.plan(sql, catalog)
    result = engine.run(plan, QueryContext())
    rows = pa.Table.from_batches(list(result)).to_pylist()
    result.close()
    return [tuple(row.values()) for row in rows], plan.residual is None


BY_FOOTERS = [
    ("count(*)", "", (100,)),
    ("count(*) AS n, min(id), max(day)", "", (100, 202300, DAY + datetime.timedelta(49))),
    ("max(price), min(none)", "", (Decimal("12.25"), None)),
    ("count(*), max(id)", "WHERE year = 2023", (50, 202349)),
    ("count(*), max(id)", "WHERE year > 2024", (0, None)),
]


@pytest.mark.parametrize(("asked", "where", "expected"), BY_FOOTERS)
def test_by_footers(lake: Lake, engine: Engine, sales: VirtualTable, asked: str, where: str, expected: tuple[Any, ...]) -> None:
    sql = f"SELECT {asked} FROM t {where}"
    assert answer(engine, sales, sql) == ([expected], True)
    lake.native.opened.clear()
    assert answer(engine, sales, sql) == ([expected], True)
    assert lake.native.opened == []  # footers are kept


@pytest.mark.parametrize(
    ("asked", "where", "expected"),
    [
        ("max(name)", "", ("049",)),
        ("max(f)", "", None),
        ("count(name)", "", (100,)),
        ("count(*)", "WHERE id < 202310", (10,)),
        ("max(year)", "", (2024,)),
        ("count(DISTINCT id)", "", (100,)),
        ("count(*) FILTER (WHERE id < 202310)", "", (10,)),
    ],
)
def test_by_rows(engine: Engine, sales: VirtualTable, asked: str, where: str, expected: tuple[Any, ...] | None) -> None:
    found, _ = answer(engine, sales, f"SELECT {asked} FROM t {where}")
    assert found == [expected] if expected is not None else str(found[0][0]) == "nan"


def test_a_footer_that_does_not_tell(lake: Lake, engine: Engine) -> None:
    write(lake, "/n/a.parquet", pa.table({"id": [1, 2]}))
    write(lake, "/n/b.parquet", pa.table({"id": [3, 4]}), write_statistics=False)
    assert answer(engine, table("/n", "id bigint", format="parquet"), "SELECT count(*), max(id) FROM t") == ([(4, 4)], True)


def test_orc_and_wrong_declarations(lake: Lake, engine: Engine) -> None:
    out = io.BytesIO()
    orc.write_table(pa.table({"id": [1, 2, 5]}), out)
    lake.write("/o.orc", out.getvalue())
    assert answer(engine, table("/o.orc", "id bigint"), "SELECT count(*) FROM t") == ([(3,)], True)
    assert answer(engine, table("/o.orc", "id bigint"), "SELECT max(id) FROM t") == ([(5,)], True)
    with pytest.raises(RemoteObjectError, match="int64"):
        answer(engine, table("/o.orc", "id integer"), "SELECT max(id) FROM t")


def test_bounds_that_python_does_not_hold(lake: Lake, engine: Engine) -> None:
    days = pa.array([0, 3_000_000], pa.int32()).cast(pa.date32())
    write(lake, "/far.parquet", pa.table({"day": days, "at": pa.array([1, 2_001], pa.timestamp("ns"))}))
    of = table("/far.parquet", "day date; at timestamp without time zone")
    assert answer(engine, of, "SELECT count(*), min(day), max(at) FROM t") == (
        [(2, datetime.date(1970, 1, 1), datetime.datetime(1970, 1, 1, 0, 0, 0, 2))],
        True,
    )
    assert answer(engine, of, "SELECT count(*) FROM t WHERE day > '2024-01-01' AND at < '2024-01-01'")[0] == [(1,)]
