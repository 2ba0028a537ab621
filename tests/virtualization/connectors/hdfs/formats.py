"""The same kind of rows in files of every format, in partition folders."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

from tests.virtualization.connectors.hdfs.local import Lake
from tests.virtualization.connectors.hdfs.rows import table
from virtualization.catalog import VirtualTable

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


def write(lake: Lake, source: str) -> Iterator[VirtualTable]:
    """Files of each format, 75 rows in three partitions; the virtual tables over them are named as the formats."""
    for kind in ("parquet", "orc", "json", "csv", "avro"):
        for part in range(3):
            lake.write(f"/{kind}/part={part}/x.{kind}", encoded(kind, values(part * 20)))
        options = {"format": kind, "partitions": "part", **({"reject_value": "0"} if kind == "csv" else {})}
        of = table(f"/{kind}", f"{COLUMNS}; part integer", **options)
        yield VirtualTable("public", kind, source, of.location, of.columns, of.options)
