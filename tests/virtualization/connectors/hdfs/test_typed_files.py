"""Parquet, ORC and Avro: types of every kind, nested ones too, and files that are broken."""

from __future__ import annotations

import datetime
import io
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from tests.virtualization.connectors.hdfs.local import Lake
from tests.virtualization.connectors.hdfs.rows import detected, fragment, rows, table
from virtualization.errors import DataError, DefinitionError, RemoteObjectError, VirtualizationError
from virtualization.plan import QueryContext

DAY, NOON = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 0, 0, 123456)
ZONED = NOON.replace(tzinfo=datetime.UTC)
COMMON = pa.table(
    {
        "i": pa.array([1, None], pa.int32()),
        "n": pa.array([Decimal("1.50"), None], pa.decimal128(38, 2)),
        "s": ["é", None],
        "d": pa.array([DAY, None], pa.date32()),
        "at": pa.array([NOON, None], pa.timestamp("ns")),
        "b": pa.array([b"\xff", None]),
        "f": [0.1, None],
        "ok": [True, None],
        "l": pa.array([["a b", None], None], pa.list_(pa.string())),
        "o": pa.array([{"x": 1, "y": [1.5]}, None], pa.struct([("x", pa.int64()), ("y", pa.list_(pa.float64()))])),
    }
)
TYPES = [
    "integer",
    "numeric(38,2)",
    "text",
    "date",
    "timestamp without time zone",
    "bytea",
    "double precision",
    "boolean",
    "text[]",
    "jsonb",
]
FIRST = (1, Decimal("1.50"), "é", DAY, NOON, b"\xff", 0.1, True, '{"a b",NULL}', '{"x":1,"y":[1.5]}')


def parquet(values: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(values, out, **options)
    return out.getvalue()


def as_orc(values: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    orc.write_table(values, out, **options)
    return out.getvalue()


def avro(schema: list[dict[str, Any]], records: list[dict[str, Any]], codec: str = "deflate") -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, {"type": "record", "name": "r", "fields": schema}, records, codec=codec)
    return out.getvalue()


@pytest.mark.parametrize(("path", "content"), [("/t/a.parquet", parquet(COMMON)), ("/t/a.orc", as_orc(COMMON))])
def test_types(lake: Lake, path: str, content: bytes) -> None:
    lake.write(path, content)
    found = detected(lake, "/t")
    assert [c.type for c in found.columns] == TYPES and found.rows == 2
    assert rows(lake, found) == [FIRST, (None,) * len(FIRST)]
    assert rows(lake, found, '"i" = 1', columns=["s"]) == [("é",)]
    assert rows(lake, table("/t", "l jsonb; o text", format=found.options["format"]))[0] == ('["a b",null]', FIRST[-1])


def test_types_of_parquet_alone(lake: Lake) -> None:
    stored = pa.table(
        {
            "u": pa.array([2**64 - 1], pa.uint64()),
            "u4": pa.array([2**32 - 1], pa.uint32()),
            "z": pa.array([ZONED], pa.timestamp("us", "UTC")),
            "ms": pa.array([NOON.replace(microsecond=123000)], pa.timestamp("ms")),
            "t": pa.array([NOON.time()], pa.time64("us")),
            "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "e": pa.array(["x"]).dictionary_encode(),
            "li": pa.array([[[1], []]], pa.list_(pa.list_(pa.int64()))),
            "ln": pa.array([[Decimal("1.5")]], pa.list_(pa.decimal128(5, 1))),
        }
    )
    lake.write("/p.parquet", parquet(stored))
    found = detected(lake, "/p.parquet")
    assert [c.type for c in found.columns] == [
        "numeric(20,0)",
        "bigint",
        "timestamp with time zone",
        "timestamp without time zone",
        "time without time zone",
        "jsonb",
        "text",
        "jsonb",
        "numeric(5,1)[]",
    ]
    expected = (Decimal(2**64 - 1), 2**32 - 1, ZONED, NOON.replace(microsecond=123000), NOON.time(), '{"k":1}', "x", "[[1],[]]", "{1.5}")
    assert rows(lake, found) == [expected]
    with pytest.raises(RemoteObjectError, match=r'/p\.parquet: column "ln" is list.* declared integer\[\]'):
        rows(lake, table("/p.parquet", "ln integer[]"))


def test_timestamps_of_hive_and_impala(lake: Lake) -> None:
    values = pa.table({"at": pa.array([NOON, datetime.datetime(1, 1, 1), None], pa.timestamp("us")), "id": [1, 2, 3]})
    lake.write("/int96.parquet", parquet(values, use_deprecated_int96_timestamps=True))
    found = detected(lake, "/int96.parquet")
    assert found.columns[0].type == "timestamp without time zone"
    assert rows(lake, found, "\"at\" > '2024-01-01'") == [(NOON, 1)]


AVRO = [
    {"name": "id", "type": "long"},
    {"name": "s", "type": ["null", "string"]},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "d", "type": {"type": "int", "logicalType": "date"}},
    {"name": "n", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
    {"name": "u", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "e", "type": {"type": "enum", "name": "colour", "symbols": ["red", "blue"]}},
    {"name": "e2", "type": "colour"},
    {"name": "l", "type": {"type": "array", "items": "int"}},
    {"name": "m", "type": {"type": "map", "values": "double"}},
    {"name": "o", "type": {"type": "record", "name": "inner", "fields": [{"name": "x", "type": "boolean"}]}},
    {"name": "mixed", "type": ["null", "int", "string"]},
]
RECORD: dict[str, Any] = {
    "id": 1,
    "s": None,
    "at": ZONED,
    "d": DAY,
    "n": Decimal("1.50"),
    "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "e": "red",
    "e2": "blue",
    "l": [1, 2],
    "m": {"k": 0.5},
    "o": {"x": True},
    "mixed": "x",
}


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
def test_avro(lake: Lake, codec: str) -> None:
    lake.write("/a.avro", avro(AVRO, [RECORD], codec))
    detail = lake.connector.detect("/a.avro", {})
    assert [name for name, _, _ in detail.unmapped] == ["mixed"]
    found = detected(lake, "/a.avro")
    assert [c.type for c in found.columns] == [
        "bigint",
        "text",
        "timestamp with time zone",
        "date",
        "numeric(10,2)",
        "text",
        "text",
        "text",
        "integer[]",
        "jsonb",
        "jsonb",
    ]
    assert rows(lake, found) == [
        (1, None, ZONED, DAY, Decimal("1.50"), RECORD["u"], "red", "blue", "{1,2}", '{"k":0.5}', '{"x":true}'),
    ]


@pytest.mark.parametrize("kind", ["orc", "avro"])
def test_many_streamed_files(lake: Lake, kind: str) -> None:
    """In several groups (another order of columns, one more), several stripes and blocks; the stream may be left and cancelled."""
    for number in range(4):
        values = pa.table({"id": range(number * 30_000, (number + 1) * 30_000), f"x{number // 2}": ["x"] * 30_000})
        fields = [{"name": "id", "type": "long"}, {"name": f"x{number // 2}", "type": "string"}]
        lake.write(f"/m/{number}.{kind}", as_orc(values, stripe_size=65_536) if kind == "orc" else avro(fields, values.to_pylist()))
    of = table("/m", "id bigint; x1 text", format=kind)
    assert fragment(lake, of).duckdb_sql() is None
    found = rows(lake, of, '"id" >= 59999')
    assert len(found) == 60_001 and sorted(found)[:2] == [(59_999, None), (60_000, "x")]
    batches = fragment(lake, of).open(QueryContext())
    assert next(iter(batches)).num_rows
    batches.close()


BROKEN = [
    ("parquet", parquet(COMMON)[:-20]),
    ("parquet", b"PAR1 no"),
    ("parquet", b""),
    ("parquet", b"PAR1" + b"\0" * 20 + b"PAR1"),
    ("orc", as_orc(COMMON)[:-20]),
    ("orc", b"nonsense"),
    ("avro", avro(AVRO, [RECORD])[:-20]),
    ("avro", b"Obj"),
    ("avro", b""),
    ("avro", avro(AVRO, [RECORD]).replace(b"deflate", b"deflatf")),
]


@pytest.mark.parametrize(("kind", "content"), BROKEN)
def test_broken_file_is_named(lake: Lake, kind: str, content: bytes) -> None:
    lake.write(f"/b/x.{kind}", content)
    with pytest.raises(DataError, match=rf"/b/x\.{kind} is not an? .* file that can be read"):
        rows(lake, table("/b", "id bigint" if kind == "avro" else "i integer", format=kind))


def test_damaged_pages_are_named(lake: Lake) -> None:
    content = bytearray(parquet(pa.table({"id": range(100_000)}), compression="snappy", use_dictionary=False))
    content[1000:3000] = b"\xff" * 2000
    lake.write("/b/x.parquet", bytes(content))
    with pytest.raises(VirtualizationError, match=r"/b/x\.parquet"):
        rows(lake, table("/b", "id bigint", format="parquet"))


def test_empty_orc_file_has_no_row(lake: Lake) -> None:
    lake.write("/e/0.orc", b"")
    lake.write("/e/1.orc", as_orc(pa.table({"id": [1]})))
    assert rows(lake, table("/e", "id bigint", format="orc")) == [(1,)]


def test_avro_without_its_package(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    lake.write("/a.avro", avro(AVRO, [RECORD]))
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(DefinitionError, match="fastavro") as caught:
        lake.connector.detect("/a.avro", {})
    assert caught.value.hint is not None and "openbdc-cluster[avro]" in caught.value.hint


def test_many_columns(lake: Lake) -> None:
    names = [f"c{n}" for n in range(2000)]
    lake.write("/wide.parquet", parquet(pa.table({name: [1] for name in names})))
    lake.write("/wide.csv", ",".join(names) + "\n" + ",".join("1" * 2000) + "\n")
    assert len(detected(lake, "/wide.parquet").columns) == 2000
    for path in ("/wide.parquet", "/wide.csv"):
        of = table(path, ";".join(f"{name} bigint" for name in names))
        assert rows(lake, of, columns=["c1999", "c0"]) == [(1, 1)]
