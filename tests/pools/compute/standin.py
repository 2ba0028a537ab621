"""Hand-written stand-ins for what lies behind the service: an engine over DuckDB in memory, and catalogs without a master."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from pools.compute import snapshot
from pools.compute.catalogs import Identity
from pools.compute.wire.scram import Verifier
from virtualization.catalog import Catalog, Column, Credential, DataSource, VirtualTable
from virtualization.errors import CancelledError, SqlError
from virtualization.plan import Connector, Detected, OutputColumn, Plan, QueryContext, RemoteObject, Result, TestedSource
from virtualization.types import arrow_field, pg_type_of

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Text:
    """A fragment that is only named."""

    source: str
    columns: tuple[OutputColumn, ...]
    text: str
    tables: tuple[tuple[str, str], ...]


@dataclass
class Stream:
    """A result; ``closed`` is seen by tests."""

    columns: tuple[OutputColumn, ...]
    batches: Iterator[pa.RecordBatch]
    closed: threading.Event = field(default_factory=threading.Event)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches

    def close(self) -> None:
        self.closed.set()


class StandInEngine:
    """Tables are Arrow tables in DuckDB. A query with ``slow`` in it trickles one row each 20 ms until it is cancelled."""

    def __init__(self) -> None:
        self.database = duckdb.connect(config={"default_null_order": "nulls_last_on_asc_first_on_desc"})
        self.database.execute("CREATE SCHEMA IF NOT EXISTS public")
        self.streams: list[Stream] = []
        self.contexts: list[QueryContext] = []
        self.planned: list[str] = []
        self.pushdown: list[str] = []
        """What the sessions asked for, beside ``planned``."""
        self.batches: Callable[[], Iterator[pa.RecordBatch]] | None = None

    def add(self, name: str, table: pa.Table) -> VirtualTable:
        self.database.register(f"_{name}", table)
        self.database.execute(f'CREATE TABLE "{name}" AS SELECT * FROM "_{name}"')
        self.database.execute(f'CREATE VIEW public."{name}" AS SELECT * FROM main."{name}"')
        columns = tuple(Column(f.name, pg_type_of(f).text) for f in table.schema)
        return VirtualTable("public", name, "somewhere", name, columns, rows=float(table.num_rows))

    def plan(self, sql: str, catalog: Catalog) -> Plan:
        self.planned.append(sql)
        self.pushdown.append(catalog.pushdown)
        import sqlglot

        try:
            tree = sqlglot.parse_one(sql, read="postgres")
        except sqlglot.errors.ParseError as error:
            raise SqlError("syntax error", detail=str(error)) from None
        keys = tuple(catalog.table(t.db or None, t.name).key for t in tree.find_all(sqlglot.exp.Table))
        return Plan(sql, (Text("somewhere", (), sql, keys),), None, None, None)

    def describe(self, plan: Plan) -> tuple[OutputColumn, ...]:
        schema = self.database.cursor().sql(self._duckdb(plan.sql)).limit(0).to_arrow_table().schema
        return tuple(OutputColumn(f.name, pg_type_of(f).text) for f in schema)

    @staticmethod
    def _duckdb(sql: str) -> str:
        return sql.replace("pg_catalog.", "").replace('COLLATE "C"', "")

    def run(self, plan: Plan, context: QueryContext) -> Result:
        self.contexts.append(context)
        if "slow" in plan.sql:
            stream = Stream((OutputColumn("n", "integer"),), self._slow(context))
        elif "many" in plan.sql and self.batches is not None:
            batches = self.batches()
            first = next(batches)
            columns = tuple(OutputColumn(f.name, pg_type_of(f).text) for f in first.schema)
            stream = Stream(columns, self._chained(first, batches))
        else:
            reader = self.database.cursor().sql(self._duckdb(plan.sql)).to_arrow_reader(1000)
            columns = tuple(OutputColumn(f.name, pg_type_of(f).text) for f in reader.schema)
            stream = Stream(columns, iter(reader))
        self.streams.append(stream)
        return stream

    @staticmethod
    def _chained(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield first
        yield from rest

    @staticmethod
    def _slow(context: QueryContext) -> Iterator[pa.RecordBatch]:
        stop = threading.Event()
        context.on_cancel(stop.set)
        schema = pa.schema([arrow_field("n", "integer")])
        for number in range(10_000):
            if stop.wait(0.02):
                raise CancelledError("interrupted in the engine")
            yield pa.record_batch([pa.array([number], pa.int32())], schema=schema)

    def explain(self, sql: str, catalog: Catalog, context: QueryContext | None = None, analyze: bool = False) -> StandInEngine:
        self.plan(sql, catalog)
        return self

    def text(self) -> str:
        return "Fragment on somewhere"

    def json(self) -> dict[str, object]:
        return {"fragments": 1}

    def connector(self, source: DataSource) -> Connector:
        return StandInConnector(source)  # type: ignore[return-value]

    def close(self) -> None:
        self.database.close()


@dataclass
class StandInConnector:
    source: DataSource

    def test(self) -> TestedSource:
        return TestedSource(f"stand-in for {self.source.credential.user}", 1.5)

    def objects(self, schema: str | None = None) -> list[RemoteObject]:
        return [RemoteObject(schema or "public", "orders", "public.orders")]

    def detect(self, location: str, options: object) -> Detected:
        return Detected((Column("id", "bigint", False),), {}, 12.0, (("shape", "polygon", "no such type"),))


class StandInCatalogs:
    """Everybody in ``users`` may log in with PASSWORD; what ``hidden`` names may not be selected by direct users."""

    def __init__(self, *tables: VirtualTable) -> None:
        self.tables = {table.key: table for table in tables}
        self.late: dict[tuple[str, str], VirtualTable] = {}
        self.users = {"alice": Verifier.of(PASSWORD), "bdc_owner": Verifier.of(PASSWORD)}
        self.hidden: set[tuple[str, str]] = set()
        self.refreshed = 0

    def current(self, database: str) -> snapshot.Snapshot:
        source = DataSource("somewhere", "stand-in", "nowhere", credential=Credential("me", "planted-secret"))
        return snapshot.Snapshot(database, f"{self.refreshed}", {"somewhere": source}, dict(self.tables))

    def confirm(self, database: str) -> None:
        return None

    async def refresh(self, database: str) -> snapshot.Snapshot:
        self.refreshed += 1
        self.tables |= self.late
        return self.current(database)

    async def forbidden(self, identity: Identity, tables: Collection[tuple[str, str]]) -> tuple[str, str] | None:
        return next((table for table in tables if table in self.hidden), None)

    async def may_call_apps(self, identity: Identity) -> bool:
        return True

    async def verifier(self, identity: Identity) -> str | None:
        found = self.users.get(identity.user)
        return None if found is None else str(found)

    async def exists(self, database: str) -> bool:
        return True
