"""Two PostgreSQL sources, an HDFS with CSV and Parquet files, and one PostgreSQL that holds copies of all their tables.

A small company in the manner of TPC-H: customers and orders in one database, suppliers and nations in another, order lines as Parquet
(two files), parts and events as CSV. Whatever is asked of all of them together must be answered as the one PostgreSQL answers it.
"""

from __future__ import annotations

import csv
import datetime
import io
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

import virtualization
from tests.services.hdfs import HdfsServer
from tests.services.postgresql import PostgresqlServer
from tests.virtualization.encoding.test_rows import split
from virtualization.catalog import Column, Credential, DataSource, MemoryCatalog, VirtualTable
from virtualization.connectors.hdfs import HdfsConnector
from virtualization.encoding import text_rows
from virtualization.explanation import Explanation
from virtualization.types import pg_type_by_oid, pg_type_of, schema_of

Row = tuple[object, ...]
Answer = tuple[list[str], list[tuple[object, ...]]]

COLUMNS: dict[str, dict[str, str]] = {
    "customer": {
        "c_id": "integer",
        "c_name": "text",
        "c_nation": "integer",
        "c_balance": "numeric(15,2)",
        "c_segment": "character varying(10)",
    },
    "orders": {
        "o_id": "bigint",
        "o_customer": "integer",
        "o_status": "character(1)",
        "o_total": "numeric(15,2)",
        "o_date": "date",
        "o_priority": "text",
    },
    "nation": {"n_id": "integer", "n_name": "text", "n_region": "smallint"},
    "supplier": {
        "s_id": "integer",
        "s_name": "text",
        "s_nation": "integer",
        "s_balance": "numeric(15,2)",
        "s_since": "timestamp without time zone",
    },
    "lineitem": {
        "l_order": "bigint",
        "l_part": "integer",
        "l_supplier": "integer",
        "l_quantity": "numeric(15,2)",
        "l_price": "numeric(15,2)",
        "l_discount": "numeric(4,2)",
        "l_flag": "text",
        "l_shipped": "date",
        "l_weight": "double precision",
        "l_mode": "text",
    },
}
"""Declared types; those of the CSV files are what ``detect`` makes of them."""
SOURCES = {"customer": "shop", "orders": "shop", "nation": "erp", "supplier": "erp", "lineitem": "lake", "part": "lake", "event": "lake"}
CSV_COLUMNS = {
    "part": ("p_id", "p_name", "p_brand", "p_size", "p_retail"),
    "event": ("e_id", "e_customer", "e_at", "e_kind", "e_ok", "e_value", "Note"),
}
LINES = 600


def rows() -> dict[str, list[Row]]:
    """The same rows each time; NULLs, duplicates, values without a partner, empty texts and signs included."""
    pick = random.Random(20261121)
    day = datetime.date(2024, 1, 1)

    def maybe(value: object, share: float = 0.08) -> object:
        return None if pick.random() < share else value

    def money(low: int, high: int) -> Decimal:
        return Decimal(pick.randint(low, high)).scaleb(-2)

    nations = ["FRANCE", "GERMANY", "JAPAN", "PERU", "kenya", "Ägypten", "CHINA", "BRAZIL"]
    kinds = ["view", "buy", "View", "return", "a,b", 'say "hi"', "ünï"]
    return {
        "nation": [(number, name, number % 3) for number, name in enumerate(nations)],
        "supplier": [
            (
                n,
                f"Supplier#{n:03}",
                maybe(pick.randint(0, 9)),
                maybe(money(-50_000, 900_000)),
                maybe(datetime.datetime(2019, 1, 1) + datetime.timedelta(seconds=pick.randint(0, 150_000_000))),
            )
            for n in range(1, 26)
        ],
        "customer": [
            (
                n,
                maybe(f"Customer {n}"),
                maybe(pick.randint(0, 9)),
                maybe(money(-99_999, 999_999)),
                maybe(pick.choice(["BUILDING", "MACHINERY", "building", ""])),
            )
            for n in range(1, 61)
        ],
        "orders": [
            (
                n,
                maybe(pick.randint(1, 70)),
                pick.choice("OFP"),
                maybe(money(100, 5_000_000)),
                maybe(day + datetime.timedelta(pick.randint(0, 400)), 0.03),
                maybe(pick.choice(["1-URGENT", "2-HIGH", "5-LOW"])),
            )
            for n in range(1, 201)
        ],
        "lineitem": [
            (
                pick.randint(1, 220),
                maybe(pick.randint(1, 45)),
                maybe(pick.randint(1, 30)),
                Decimal(pick.randint(1, 50)).quantize(Decimal("0.01")),
                money(100, 9_999_999),
                maybe(money(0, 10)),
                pick.choice("ANR"),
                maybe(day + datetime.timedelta(pick.randint(0, 450))),
                maybe(pick.randint(-400, 4000) / 8),
                pick.choice(["AIR", "SHIP", "RAIL", "air"]),
            )
            for _ in range(LINES)
        ],
        "part": [
            (
                n,
                f"part {pick.choice(['steel', 'tin', 'Brass'])} {n}",
                maybe(f"Brand#{pick.randint(1, 5)}"),
                maybe(pick.randint(1, 50)),
                maybe(Decimal(pick.randint(90_000, 200_000)).scaleb(-2)),
            )
            for n in range(1, 51)
        ],
        "event": [
            (
                n,
                maybe(pick.randint(1, 65)),
                datetime.datetime(2024, 3, 1) + datetime.timedelta(seconds=pick.randint(0, 9_000_000)),
                maybe(pick.choice(kinds)),
                maybe(pick.random() < 0.5),
                maybe(Decimal(pick.randint(-9999, 9999)).scaleb(-3)),
                maybe("x" * pick.randint(1, 4)),
            )
            for n in range(1, 301)
        ],
    }


def _csv(names: Sequence[str], values: Sequence[Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    for row in values:
        writer.writerow(["" if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in row])
    return out.getvalue()


def _parquet(columns: dict[str, str], values: Sequence[Row]) -> bytes:
    schema = schema_of([Column(name, of) for name, of in columns.items()])
    out = io.BytesIO()
    pq.write_table(
        pa.table([pa.array([row[n] for row in values], f.type) for n, f in enumerate(schema)], schema=schema), out, row_group_size=100
    )
    return out.getvalue()


@dataclass(frozen=True)
class Mixed:
    """The catalog over all sources, the address of a scratch database, and the PostgreSQL with all copies."""

    catalog: MemoryCatalog
    scratch_dsn: str
    reference: psycopg.Connection[Row]

    def plain(self, sql: str) -> Answer:
        """What PostgreSQL answers: types, and rows as texts, sorted."""
        result = self.reference.pgconn.exec_params(sql.encode(), None)
        if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            raise psycopg.Error((result.error_message or b"").decode())
        types = [pg_type_by_oid(result.ftype(at), result.fmod(at)).text for at in range(result.nfields)]
        found = [tuple(result.get_value(row, at) for at in range(result.nfields)) for row in range(result.ntuples)]
        return types, sorted(found, key=repr)

    def planned(self, sql: str) -> Answer:
        """What the library answers."""
        table = virtualization.query(sql, self.catalog, scratch_dsn=self.scratch_dsn)
        types = [pg_type_of(field) for field in table.schema]
        found: list[tuple[object, ...]] = []
        for batch in table.to_batches():
            found += [tuple(row) for row in split(bytes(text_rows(batch, types)))]
        return [of.text for of in types], sorted(found, key=repr)

    def explain(self, sql: str, *, analyze: bool = False) -> Explanation:
        """How."""
        return virtualization.explain(sql, self.catalog, scratch_dsn=self.scratch_dsn, analyze=analyze)

    def difference(self, sql: str) -> str | None:
        """None: the same types and rows. Queries that PostgreSQL itself refuses count as the same."""
        try:
            expected = self.plain(sql)
        except psycopg.Error:
            return None
        try:
            actual = self.planned(sql)
        except virtualization.errors.VirtualizationError as error:
            return f"{sql}\n   {error.code} {error.message} {error.detail or ''} {error.hint or ''}"
        if actual == expected:
            return None
        only = [row for row in expected[1] if row not in actual[1]][:5], [row for row in actual[1] if row not in expected[1]][:5]
        how = self.explain(sql).text()
        return f"{sql}\n   types {expected[0]} / {actual[0]}\n   rows {len(expected[1])} / {len(actual[1])}: {only[0]} / {only[1]}\n{how}"


@contextmanager
def mixed(postgresql: PostgresqlServer, lake: HdfsServer) -> Iterator[Mixed]:
    """Fill everything; the engine is closed at the end."""
    content = rows()
    half = LINES // 2
    for number, part in enumerate((content["lineitem"][:half], content["lineitem"][half:])):
        lake.write(f"/mixed/lineitem/{number}.parquet", _parquet(COLUMNS["lineitem"], part))
    for name, names in CSV_COLUMNS.items():
        lake.write(f"/mixed/{name}.csv", _csv(names, content[name]))
    login = Credential(postgresql.user, postgresql.password)
    sources = [
        DataSource(name, "postgresql", f"postgresql://127.0.0.1:{postgresql.port}/mixed_{name}", {}, login) for name in ("shop", "erp")
    ]
    files = DataSource("lake", "hdfs", lake.location, {"user": "nobody"})
    columns = {name: tuple(Column(c, t) for c, t in of.items()) for name, of in COLUMNS.items()}
    locations = {"lineitem": ("/mixed/lineitem", {"format": "parquet"})}
    connector = HdfsConnector(files)
    for name in CSV_COLUMNS:
        found = connector.detect(f"/mixed/{name}.csv", {})
        columns[name], locations[name] = found.columns, (f"/mixed/{name}.csv", dict(found.options))
    connector.close()
    with postgresql.connect() as server:
        for name in ("shop", "erp", "scratch", "all"):
            server.execute(f"CREATE DATABASE mixed_{name}")
    for name in SOURCES:
        for database in {SOURCES[name], "all"} - {"lake"}:
            with postgresql.connect(f"mixed_{database}") as connection:
                _load(connection, name, columns[name], content[name])
    tables = [
        VirtualTable(
            "public",
            name,
            source,
            locations.get(name, (f"public.{name}", {}))[0],
            columns[name],
            locations.get(name, ("", {}))[1],
            rows=float(len(content[name])),
        )
        for name, source in SOURCES.items()
    ]
    dsn = postgresql.dsn("mixed_scratch")
    with postgresql.connect("mixed_all") as reference:
        reference.execute("SET timezone = 'UTC'")
        yield Mixed(MemoryCatalog.of([*sources, files], tables), dsn, reference)
    virtualization.default_engine(dsn).close()


def _load(connection: psycopg.Connection[Row], name: str, columns: Sequence[Column], content: Sequence[Row]) -> None:
    definitions = ", ".join(f'"{column.name}" {column.type}' for column in columns)
    connection.execute(f"CREATE TABLE {name} ({definitions})")
    with connection.cursor().copy(f"COPY {name} FROM STDIN") as copy:
        for row in content:
            copy.write_row(row)
    connection.execute(f"ANALYZE {name}")
