"""The connector ``hdfs`` against a real NameNode and DataNodes."""

from __future__ import annotations

import datetime
import io
import json
import pathlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import duckdb
import fastavro
import pyarrow as pa
import pytest
from pyarrow import orc
from sqlglot import parse_one

from tests.services.hdfs import HdfsServer
from tests.services.postgresql import free_port
from tests.virtualization.connectors.conformance import BIG_ROWS, ConnectorConformance, ids, table
from tests.virtualization.connectors.served_lake import ID, S, filled, parquet, rows, source
from virtualization.catalog import Column, DataSource, VirtualTable
from virtualization.connectors.hdfs import HdfsConnector
from virtualization.connectors.hdfs.fragments import FilesFragment
from virtualization.errors import (
    DataError,
    DefinitionError,
    RemoteObjectError,
    SourceError,
)
from virtualization.plan import Connector

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def lake(hdfs: HdfsServer) -> Iterator[HdfsServer]:
    with filled(hdfs) as made:
        yield made


@pytest.fixture(scope="module")
def connector(lake: HdfsServer) -> Iterator[HdfsConnector]:
    made = HdfsConnector(source(lake))
    yield made
    made.close()


@pytest.fixture
def broken() -> list[Connector]:
    return [HdfsConnector(DataSource("src", "hdfs", f"hdfs://127.0.0.1:{free_port()}"))]


class TestCsvConformance(ConnectorConformance):
    """CSV in a folder."""

    @pytest.fixture
    def tables(self) -> dict[str, VirtualTable]:
        return {
            "rows": table("/c/rows", format="csv"),
            "empty": table("/empty", format="csv"),
            "big": table("/c/big.csv", [Column("id", "bigint")]),
            "missing": table("/missing.csv"),
        }


class TestParquetConformance(ConnectorConformance):
    """Parquet in a folder."""

    @pytest.fixture
    def tables(self) -> dict[str, VirtualTable]:
        return {
            "rows": table("/p/rows", format="parquet"),
            "empty": table("/empty", format="parquet"),
            "big": table("/p/big.parquet", [Column("id", "bigint")]),
            "missing": table("/missing.parquet"),
        }


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("id,s\n1,a\n2\n", 3),
        ("id,s\n1,a,b\n", 2),
        ('id,s\n1,"a"b\n', 2),
        ('id,s\n1,"a\n', 2),
        (b"id,s\n1,\xff\n", 2),
    ],
)
def test_broken_csv_names_file_and_line(connector: HdfsConnector, lake: HdfsServer, content: str | bytes, line: int) -> None:
    lake.write("/bad/ragged.csv", content)
    with pytest.raises(DataError, match=rf"/bad/ragged\.csv.*line {line}"):
        rows(connector, table("/bad/ragged.csv", [ID, S]))


VALUES = [
    ("bigint", ["1.5", "1e3", "0x1F", "1_000", "x", "9223372036854775808", '""']),
    ("smallint", ["32768"]),
    ("numeric(5,2)", ["1234.5", "1,5 ", "1_0", "NaN"]),
    ("numeric", ["1e3", "x"]),
    ("double precision", ["1_0", "0x1", "one"]),
    ("boolean", ["2", "maybe"]),
    ("date", ["2024-02-30", "01.02.2024", "infinity", "2024-1-1"]),
    ("timestamp without time zone", ["2024-01-01 25:00", "noon"]),
    ("time without time zone", ["25:00"]),
    ("character varying(3)", ["abcd"]),
    ("uuid", ["abc"]),
    ("json", ["{"]),
]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in VALUES for value in values])
def test_value_that_does_not_fit_names_file_and_column(connector: HdfsConnector, lake: HdfsServer, kind: str, value: str) -> None:
    quoted = value if value.startswith('"') else f'"{value}"'
    lake.write("/bad/value.csv", f"id,v\n1,{quoted}\n", replication=1)
    with pytest.raises(DataError, match=r'column "v".* in /bad/value\.csv'):
        rows(connector, table("/bad/value.csv", [ID, Column("v", kind)]), columns=["v"])


def test_values_in_all_their_forms(connector: HdfsConnector, lake: HdfsServer) -> None:
    lake.write(
        "/ok/forms.csv",
        "i,n,f,b,d,t,z,c,v,u,x\n"
        '+7,1e2,-.5E1,yes,2024-02-29,2024-01-01T10:00:00.5,2024-01-01 10:00+02,ab,"xy  ",A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11,1.50\n'
        " 7 ,1.239,nan,f,0001-01-01,2024-01-01,2024-01-01 10:00,,,,\n",
    )
    kinds = [
        "bigint",
        "numeric(5,2)",
        "double precision",
        "boolean",
        "date",
        "timestamp",
        "timestamptz",
        "char(3)",
        "varchar(3)",
        "uuid",
        "numeric",
    ]
    of = table("/ok/forms.csv", [Column(name, kind) for name, kind in zip("infbdtzcvux", kinds, strict=True)])
    first, second = rows(connector, of)
    assert first[:4] == (7, Decimal("100.00"), -5.0, True)
    assert first[4:6] == (datetime.date(2024, 2, 29), datetime.datetime(2024, 1, 1, 10, 0, 0, 500000))
    assert first[6] == datetime.datetime(2024, 1, 1, 8, tzinfo=datetime.UTC)
    assert first[7:] == ("ab ", "xy ", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "1.50")
    assert second[1] == Decimal("1.24") and second[6] == datetime.datetime(2024, 1, 1, 10, tzinfo=datetime.UTC)
    assert second[7:] == (None, None, None, None)


def test_csv_options(connector: HdfsConnector, lake: HdfsServer) -> None:
    lake.write("/ok/odd.txt", "exported by x\n1;'a;''b';NULL;31.12.2023\n2;;'NULL';01.01.2024\n".encode("latin-1"))
    columns = [ID, S, Column("n", "text"), Column("d", "date")]
    of = table("/ok/odd.txt", columns, header="false", first_row="2", FIELD_TERMINATOR=";", STRING_DELIMITER="'", null="NULL",
               date_format="%d.%m.%Y", encoding="latin-1")  # fmt: skip
    assert rows(connector, of) == [(1, "a;'b", None, datetime.date(2023, 12, 31)), (2, None, "NULL", datetime.date(2024, 1, 1))]


def test_header_orders_may_differ(connector: HdfsConnector, lake: HdfsServer) -> None:
    lake.write("/orders/a.csv", "id,s\n1,x\n")
    lake.write("/orders/b.csv", "more,s,id\nz,y,2\n")
    assert sorted(rows(connector, table("/orders", [ID, S], format="csv"))) == [(1, "x"), (2, "y")]


def test_paths_with_metacharacters(connector: HdfsConnector, lake: HdfsServer) -> None:
    path = "/odd/ünï [x]'; DROP *?#%20/a b.csv"
    lake.write(path, "id\n1\n")
    assert rows(connector, table(path, [ID])) == [(1,)]
    assert rows(connector, table("/odd", [ID], format="csv")) == [(1,)]
    assert rows(connector, table("/c/*.csv", [ID]), '"id" < 2') == [(0,), (1,)]
    for bad in ("relative.csv", "/a/../etc/x.csv", "hdfs://x/y.csv"):
        with pytest.raises(DefinitionError, match="location"):
            rows(connector, table(bad, [ID]))


def test_partitions_are_pruned_before_files_are_opened(connector: HdfsConnector, lake: HdfsServer) -> None:
    for year in (2023, 2024):
        for region in ("a b", "c%252F"):
            lake.write(f"/parts/year={year}/region={region}/x.csv", f"id\n{year}\n", replication=1)
    lake.write("/parts/year=__HIVE_DEFAULT_PARTITION__/region=n/x.csv", "broken,file\n1\n", replication=1)
    detected = connector.detect("/parts/year=2023", {})
    assert detected.options["partitions"] == "year,region"
    of = table("/parts", [ID, Column("year", "integer"), Column("region", "text")], format="csv", partitions="year,region")
    assert rows(connector, of, '"year" = 2024', "\"region\" = 'a b'") == [(2024, 2024, "a b")]
    assert sorted(rows(connector, of, '"year" >= 2023', '"id" > 2023', columns=["id", "region"])) == [(2024, "a b"), (2024, "c%2F")]
    fragment = connector.scan(of, ["id"], [parse_one('"year" IS NULL', dialect="postgres")]).fragment
    assert isinstance(fragment, FilesFragment)
    assert [file.path for file in fragment.files()] == ["/parts/year=__HIVE_DEFAULT_PARTITION__/region=n/x.csv"]


def test_parquet_widens_safely_and_refuses_the_rest(connector: HdfsConnector, lake: HdfsServer) -> None:
    lake.write("/mixed/a.parquet", parquet(pa.table({"id": pa.array([1], pa.int32()), "s": ["a"]})))
    lake.write("/mixed/b.parquet", parquet(pa.table({"s": ["b"], "id": pa.array([2**40], pa.int64())})))
    assert sorted(rows(connector, table("/mixed", [ID, S], format="parquet"))) == [(1, "a"), (2**40, "b")]
    with pytest.raises(RemoteObjectError, match=r'/mixed/b\.parquet.*"id".*int64.*integer'):
        rows(connector, table("/mixed", [Column("id", "integer")], format="parquet"))
    with pytest.raises(RemoteObjectError, match=r"numeric\(5,2\)"):
        rows(connector, table("/mixed", [Column("id", "numeric(5,2)")], format="parquet"))
    lake.write("/mixed/c.parquet", parquet(pa.table({"s": ["c"]})))
    assert sorted(rows(connector, table("/mixed", [S, ID], format="parquet"))) == [("a", 1), ("b", 2**40), ("c", None)]
    with pytest.raises(RemoteObjectError, match=r'no file of /mixed has a column "gone"'):
        rows(connector, table("/mixed", [Column("gone", "bigint")], format="parquet"))
    lake.write("/mixed/d.parquet", "not parquet")
    with pytest.raises(DataError, match=r"/mixed/d\.parquet is not a Parquet file"):
        rows(connector, table("/mixed/d.parquet", [ID]))


def test_row_groups_are_skipped(connector: HdfsConnector, lake: HdfsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from virtualization.connectors.hdfs.file_system import RangeFile

    read_bytes: list[int] = []
    plain = RangeFile.read

    def counting(self: RangeFile, length: int = -1) -> bytes:
        data = plain(self, length)
        read_bytes.append(len(data))
        return data

    big = table("/p/big.parquet", [ID])
    monkeypatch.setattr(RangeFile, "read", counting)
    assert rows(connector, big, '"id" = 299999') == [(299_999,)]
    few, read_bytes[:] = sum(read_bytes), []
    assert len(rows(connector, big)) == BIG_ROWS
    assert few < sum(read_bytes) / 3


def test_inline_scan_for_an_executor(connector: HdfsConnector) -> None:
    fragment = connector.scan(table("/p/rows", format="parquet"), ["id", "amount"], []).fragment
    with duckdb.connect() as connection:
        fragment.prepare_duckdb(connection)
        fragment.prepare_duckdb(connection)
        inline = fragment.duckdb_sql()
        assert inline is not None and "/p/rows" not in inline
        answer = connection.sql(f"SELECT count(*), sum(amount) FROM ({inline}) WHERE id < 4").fetchall()
    assert answer == [(3, Decimal("9999999999.24"))]


def test_bad_value_inside_an_executor(connector: HdfsConnector, lake: HdfsServer) -> None:
    lake.write("/bad/inline.csv", "id\n1\nx\n")
    fragment = connector.scan(table("/bad/inline.csv", [ID]), ["id"], []).fragment
    with duckdb.connect() as connection:
        fragment.prepare_duckdb(connection)
        with pytest.raises(duckdb.Error) as caught:
            connection.sql(f"SELECT sum(id) FROM ({fragment.duckdb_sql()})").fetchall()
    meant = fragment.fault(caught.value)  # type: ignore[attr-defined]
    assert isinstance(meant, DataError) and 'column "id" (bigint) in /bad/inline.csv' in meant.message


def test_detection_of_csv_types(connector: HdfsConnector, lake: HdfsServer) -> None:
    lake.write(
        "/detect/a.csv",
        "i,code,price,rate,ok,day,at,word,nothing\n1,007,1.50,1e3,true,2024-01-01,2024-01-01 10:00,x,\n-2,12,2.125,0.5,false,,,,\n",
    )
    detected = connector.detect("/detect/a.csv", {})
    assert [c.type for c in detected.columns] == [
        "bigint", "text", "numeric(18,3)", "double precision", "boolean", "date", "timestamp without time zone", "text", "text",
    ]  # fmt: skip
    assert detected.rows == 2
    lake.write("/detect/b.csv", "1,x\n2,y\n")
    plain = connector.detect("/detect/b.csv", {})
    assert plain.options["header"] == "false" and [c.name for c in plain.columns] == ["column1", "column2"]
    found = VirtualTable("public", "t", "src", "/detect/b.csv", plain.columns, plain.options)
    assert rows(connector, found) == [(1, "x"), (2, "y")]


def test_detection_of_statistics(connector: HdfsConnector, lake: HdfsServer) -> None:
    lines = "".join(f"{i},{i % 7},{i // 10}\n" for i in range(1000))
    lake.write("/statistics/year=2023/a.csv", "id,few,sorted\n" + lines)
    found = connector.detect("/statistics", {}).statistics
    assert {name: one.n_distinct for name, one in found.items()} == {"id": -1, "few": 7, "sorted": 100, "year": 1}
    lake.write("/statistics.csv", "id\n1\n2\n" + "1\n" * 6000 + "x\n")  # further down than types are looked for
    assert connector.detect("/statistics.csv", {}).statistics == {}


@pytest.mark.parametrize(
    ("path", "content", "error", "named"),
    [
        ("/d/unknown.xyz", "a\n1\n", DefinitionError, "format"),
        ("/d/latin.csv", b"a\n\xff\n", DataError, "line 2"),
        ("/d/fake.parquet", "x", DataError, "not a Parquet"),
        ("/d/twice.csv", "a,a\n1,2\n", SourceError, ""),
    ],
)
def test_detection_says_what_is_wrong(
    connector: HdfsConnector, lake: HdfsServer, path: str, content: str | bytes, error: type[Exception], named: str
) -> None:
    lake.write(path, content)
    if named:
        with pytest.raises(error, match=named):
            connector.detect(path, {})
    else:
        assert [c.name for c in connector.detect(path, {}).columns] == ["column1", "column2"]  # a doubled name: no header
    with pytest.raises(RemoteObjectError, match="/empty"):
        connector.detect("/empty", {})


@pytest.mark.parametrize(
    ("location", "options", "named"),
    [
        ("hdfs://h", {"usr": "x"}, "usr"),
        ("hdfs://h/path", {}, "location"),
        ("http://h", {}, "location"),
        ("hdfs://h", {"timeout": "x"}, "timeout"),
    ],
)
def test_bad_definitions(location: str, options: dict[str, str], named: str) -> None:
    with pytest.raises(DefinitionError, match=named):
        HdfsConnector(DataSource("src", "hdfs", location, options))


@pytest.mark.parametrize(
    "options", [{"formt": "csv"}, {"header": "x"}, {"delimiter": "\n"}, {"quote": "''"}, {"encoding": "x"}, {"first_row": "0"}]
)
def test_bad_table_options(connector: HdfsConnector, options: dict[str, str]) -> None:
    with pytest.raises(DefinitionError, match=next(iter(options))):
        connector.scan(table("/c/big.csv", [ID], **options), ["id"], [])


def test_type_that_no_file_holds(connector: HdfsConnector) -> None:
    with pytest.raises(DefinitionError, match='column "id": type interval'):
        connector.scan(table("/c/big.csv", [Column("id", "interval")]), ["id"], [])


@pytest.mark.full
def test_a_thousand_files(connector: HdfsConnector, lake: HdfsServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: lake.write(f"/many/{n:04}.csv", f"id\n{n}\n", replication=1), range(1000)))
    start = time.monotonic()
    assert ids(connector.scan(table("/many", [ID], format="csv"), ["id"], []).fragment) == list(range(1000))
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("kind", ["json", "orc", "avro", "delta"])
def test_other_formats(connector: HdfsConnector, lake: HdfsServer, kind: str) -> None:
    """From real DataNodes; everything else about formats is in ``hdfs/``, over local files."""
    values = pa.table({"id": range(30_000), "s": [f"é {n}" for n in range(30_000)]})
    if kind == "delta":
        folder = pathlib.Path(__file__).parent / "hdfs" / "data" / "sales"
        for file in folder.rglob("*.*"):
            if file.is_file():
                lake.write(f"/f/delta/{file.relative_to(folder)}", file.read_bytes(), replication=1)
    else:
        lake.write(f"/f/{kind}/a.{kind}", WRITERS[kind](values))
    detected = connector.detect(f"/f/{kind}", {})
    assert detected.options["format"] == kind
    found = VirtualTable("public", "t", "src", f"/f/{kind}", detected.columns, detected.options)
    assert rows(connector, found, '"id" = 7', columns=["id"]) == [(7,)]
    assert len(rows(connector, found)) == (39 if kind == "delta" else 30_000)


def avro(values: pa.Table) -> bytes:
    out = io.BytesIO()
    fields = [{"name": "id", "type": "long"}, {"name": "s", "type": "string"}]
    fastavro.writer(out, {"type": "record", "name": "r", "fields": fields}, values.to_pylist())
    return out.getvalue()


def as_orc(values: pa.Table) -> bytes:
    out = io.BytesIO()
    orc.write_table(values, out)
    return out.getvalue()


WRITERS: dict[str, Callable[[pa.Table], bytes]] = {
    "json": lambda values: "".join(json.dumps(row) + "\n" for row in values.to_pylist()).encode(),
    "orc": as_orc,
    "avro": avro,
}


def test_rejected_rows(connector: HdfsConnector, lake: HdfsServer) -> None:
    lake.write("/rejects/a.csv", "id\n1\nx\n3\n")
    assert rows(connector, table("/rejects", [ID], format="csv", reject_value="1")) == [(1,), (3,)]
    detected = connector.detect("/rejects", {"rejected_of": "id bigint"})
    found = VirtualTable("public", "t", "src", "/rejects", detected.columns, detected.options)
    assert rows(connector, found, columns=["file", "line", "value"]) == [("/rejects/a.csv", 3, "x")]
