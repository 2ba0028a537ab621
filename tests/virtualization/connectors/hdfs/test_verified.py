"""The verifier over files of every format: skipping files and answering from footers never changes an answer."""

from __future__ import annotations

import datetime
import io
import json
import pathlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.connectors.hdfs.local import SOURCE, Lake
from tests.virtualization.connectors.hdfs.rows import table
from tests.virtualization.verify.checking import check, limits
from virtualization.catalog import MemoryCatalog, VirtualTable
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.executors.scratch import ScratchExecutor

pytestmark = pytest.mark.service

COLUMNS = "id bigint; n integer; amount numeric(12,2); ratio double precision; name text; day date; at timestamp without time zone"
DAY, NOON = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12)
NAMES = ["a", "A", "", "é", "z ", "10", None, "a%_\\\\"]
RATIOS = [0.5, -0.0, float("nan"), 1e300, None, -1.5]


def values(first: int) -> list[dict[str, Any]]:
    return [
        {
            "id": i,
            "n": None if i % 5 == 0 else i % 7 - 3,
            "amount": None if i % 11 == 0 else Decimal(i % 13 - 6) / 4,
            "ratio": RATIOS[i % 6],
            "name": NAMES[i % 8],
            "day": None if i % 9 == 0 else DAY + datetime.timedelta(i % 30),
            "at": NOON + datetime.timedelta(hours=i % 50),
        }
        for i in range(first, first + 25)
    ]


SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "n": pa.int32(),
        "amount": pa.decimal128(12, 2),
        "ratio": pa.float64(),
        "name": pa.string(),
        "day": pa.date32(),
        "at": pa.timestamp("us"),
    }
)


def encoded(kind: str, rows: list[dict[str, Any]]) -> bytes:
    out, made = io.BytesIO(), pa.Table.from_pylist(rows, SCHEMA)
    if kind == "parquet":
        pq.write_table(made, out, row_group_size=10)
    elif kind == "orc":
        orc.write_table(made, out)
    elif kind == "json":
        return "".join(json.dumps({name: _json(value) for name, value in row.items()}) + "\n" for row in rows).encode()
    elif kind == "csv":
        lines = (
            ",".join('"' + value + '"' if isinstance(value, str) else "" if value is None else str(value) for value in row.values())
            for row in rows
        )
        return (",".join(SCHEMA.names) + "\n" + "\n".join(lines) + "\n").encode()
    else:
        kinds = {
            "id": "long",
            "n": "int",
            "ratio": "double",
            "name": "string",
            "day": {"type": "int", "logicalType": "date"},
            "amount": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
            "at": {"type": "long", "logicalType": "local-timestamp-micros"},
        }
        fields = [{"name": name, "type": ["null", kinds[name]]} for name in SCHEMA.names]
        fastavro.writer(out, {"type": "record", "name": "r", "fields": fields}, rows)
    return out.getvalue()


def _json(value: Any) -> Any:
    if isinstance(value, float) and value != value:
        return "NaN"
    return value if value is None or isinstance(value, (int, float)) else str(value)


@dataclass
class Lab:
    engine: Engine
    catalog: MemoryCatalog
    scratch: str


@pytest.fixture(scope="module")
def lab(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    tables = []
    for kind in ("parquet", "orc", "json", "csv", "avro"):
        for part in range(3):
            lake.write(f"/{kind}/part={part}/x.{kind}", encoded(kind, values(part * 20)))
        of = table(
            f"/{kind}", f"{COLUMNS}; part integer", format=kind, partitions="part", **({"reject_value": "0"} if kind == "csv" else {})
        )
        tables.append(VirtualTable("public", kind, "src", of.location, of.columns, of.options))
    with postgresql.connect() as server:
        server.execute("CREATE DATABASE hdfs_verified")
    scratch = postgresql.dsn("hdfs_verified")
    folder: pathlib.Path = tmp_path_factory.mktemp("duckdb")
    engine = Engine([DuckDbExecutor(256 << 20, str(folder), 2), ScratchExecutor(scratch)], {"hdfs": lambda _source: lake.connector})
    yield Lab(engine, MemoryCatalog.of([SOURCE], tables), scratch)
    engine.close()


def test_random_queries_do_not_differ(lab: Lab) -> None:
    check(lab.engine, lab.catalog, lab.scratch, limits(11, 25))


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_fresh_queries_do_not_differ(lab: Lab) -> None:
    check(lab.engine, lab.catalog, lab.scratch, limits(random.SystemRandom().randrange(10**9), 2000))
