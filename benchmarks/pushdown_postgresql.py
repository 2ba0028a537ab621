"""The column ``postgresql`` of ``pushdown``: a server whose log tells what arrived, our library over it, and the peers."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.federated_peers import Peer, Target, peers
from benchmarks.federated_worker import cell
from benchmarks.pushdown import Ask, Asked, Column, Rows
from tests.services.postgresql import PostgresqlServer, postgresql_server
from virtualization import catalog
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor

OTHER = "other"
"""The database that plays another source, for ours; peers read a file instead."""
KEYS = tuple(range(17, 17 + 34 * 1000, 1000))
ORDERS = 300_000
"""Some 30 MB: enough that whoever reads in parallel does so."""
TABLES = {
    "orders": {
        "o_orderkey": "bigint", "o_custkey": "bigint", "o_orderdate": "date", "o_totalprice": "numeric(12,2)", "o_orderpriority": "text",
        "o_comment": "text",
    },
    "customer": {"c_custkey": "bigint", "c_name": "text", "c_nationkey": "integer", "c_acctbal": "numeric(12,2)"},
    "nation": {"n_nationkey": "integer", "n_name": "text", "n_regionkey": "integer"},
    "region": {"r_regionkey": "integer", "r_name": "text"},
}  # fmt: skip
ROWS = {
    "orders": """SELECT g, g %% 1500, date '1992-01-01' + (g %% 2400), (g * 7919::bigint %% 100000) / 100.0,
        (ARRAY['1-URGENT', '2-HIGH', '3-MEDIUM', '4-LOW'])[g %% 4 + 1], 'note ' || g || repeat(' x', 20)
        FROM generate_series(1, %d) g""",
    "customer": "SELECT g, 'Customer ' || g, g % 25, (g * 31 % 100000) / 100.0 FROM generate_series(0, 1499) g",
    "nation": "SELECT g, 'NATION ' || g, g % 5 FROM generate_series(0, 24) g",
    "region": "SELECT g, 'REGION ' || g FROM generate_series(0, 4) g",
}
_LINE = re.compile(r"^(\d+) \[.*?\] LOG:  (?:statement|execute [^:]*|parse [^:]*): (.*)", re.DOTALL)


@contextmanager
def column(wanted: Sequence[str], orders: int = ORDERS) -> Iterator[Column]:
    """See ``benchmarks.pushdown.Column``."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openbdc-bench-", dir="/var/tmp")))
        server = stack.enter_context(postgresql_server("max_parallel_workers_per_gather=0"))
        fill(server, orders)
        sides: dict[str, Ask] = {"openbdc": logged(server, stack.enter_context(ours(server, folder)))}
        file = folder / "keys.parquet"
        pq.write_table(pa.table({"key": pa.array(KEYS, pa.int64())}), file)
        others = [name for name in wanted if name != "postgres_fdw"]
        if others:
            target = Target(server.port, server.user, server.password, {"keys": file})
            for name, peer in stack.enter_context(peers(target, others)).items():
                sides[name] = logged(server, by_peer(peer))
        if "postgres_fdw" in wanted:
            sides["postgres_fdw"] = logged(server, stack.enter_context(foreign(server)))
        yield Column(sides, stack.enter_context(itself(server)))


def fill(server: PostgresqlServer, orders: int) -> None:
    """The tables, and the other database."""
    with server.connect() as session:
        for name, columns in TABLES.items():
            session.execute(f"CREATE TABLE {name} ({', '.join(f'{column} {of}' for column, of in columns.items())})".encode())
            rows = ROWS[name] % orders if name == "orders" else ROWS[name]
            session.execute(f"INSERT INTO {name} {rows}".encode())
        session.execute("ALTER TABLE orders ADD PRIMARY KEY (o_orderkey); ALTER TABLE customer ADD PRIMARY KEY (c_custkey)")
        session.execute("VACUUM ANALYZE")
        session.execute(f"CREATE DATABASE {OTHER}".encode())
    with server.connect(OTHER) as session:
        session.execute("CREATE TABLE keys (key bigint)")
        session.execute(f"INSERT INTO keys VALUES {', '.join(f'({key})' for key in KEYS)}".encode())
        session.execute("ANALYZE")


def logged(server: PostgresqlServer, answer: Callable[[str], Rows]) -> Ask:
    """With what the server logged meanwhile; looks at a catalog or at the plan of a statement are none."""

    def ask(sql: str) -> Asked:
        before = len(server.log)
        rows = answer(sql)
        received = []
        for entry in re.split(r"(?m)^(?=\d+ \[)", server.log[before:]):
            found = _LINE.match(entry)
            if found is not None and not re.match(r"\s*(EXPLAIN|SET|BEGIN|COMMIT)", found[2]) and "pg_catalog.pg_" not in found[2]:
                received.append((found[1], found[2]))
        return Asked(rows, received)

    return ask


def rows_of(values: Sequence[Sequence[object]]) -> Rows:
    """In the form of ``federated_worker``."""
    return sorted([cell(value) for value in row] for row in values)


@contextmanager
def library(known: catalog.MemoryCatalog, folder: Path) -> Iterator[Callable[[str], Rows]]:
    """An engine of this process over ``known``: answers probes."""
    engine = Engine([DuckDbExecutor(1 << 30, str(folder), 2)])

    def answer(sql: str) -> Rows:
        result = engine.run(engine.plan(sql.format(**{name: name for name in (*TABLES, "keys")}), known))
        try:
            return rows_of([tuple(row.values()) for batch in result for row in named(batch).to_pylist()])
        finally:
            result.close()

    try:
        yield answer
    finally:
        engine.close()


@contextmanager
def ours(server: PostgresqlServer, folder: Path) -> Iterator[Callable[[str], Rows]]:
    """The library in this process."""
    login = catalog.Credential(server.user, server.password)
    place = f"postgresql://127.0.0.1:{server.port}"
    options = {"scan_pages": "1000", "scan_connections": "4"}
    sources = [
        catalog.DataSource("src", "postgresql", f"{place}/postgres", options, login),
        catalog.DataSource(OTHER, "postgresql", f"{place}/{OTHER}", {}, login),
    ]
    made = [virtual(name, "src", columns, ORDERS if name == "orders" else 1500) for name, columns in TABLES.items()]
    known = catalog.MemoryCatalog.of(sources, [*made, virtual("keys", OTHER, {"key": "bigint"}, len(KEYS))])
    with library(known, folder) as answer:
        yield answer


def named(batch: pa.RecordBatch) -> pa.RecordBatch:
    """With names that differ."""
    return batch.rename_columns([f"c{number}" for number in range(batch.num_columns)])


def virtual(name: str, source: str, columns: dict[str, str], rows: int) -> catalog.VirtualTable:
    """A virtual table."""
    return catalog.VirtualTable(
        "public", name, source, f"public.{name}", tuple(catalog.Column(c, of) for c, of in columns.items()), {}, rows=float(rows)
    )


def by_peer(peer: Peer) -> Callable[[str], Rows]:
    """A peer's rows."""
    return lambda sql: peer.ask(sql)[1]


@contextmanager
def itself(server: PostgresqlServer) -> Iterator[Callable[[str], Rows]]:
    """The source's own answers, the keys as a list of values."""
    values = f"(VALUES {', '.join(f'({key}::bigint)' for key in KEYS)})"
    with server.connect() as session:

        def answer(sql: str) -> Rows:
            text = sql.replace("{keys} k", f"{values} k(key)").format(**{name: name for name in TABLES})
            return rows_of(session.execute(text.encode()).fetchall())

        yield answer


@contextmanager
def foreign(server: PostgresqlServer) -> Iterator[Callable[[str], Rows]]:
    """postgres_fdw on a server of its own."""
    with postgresql_server("log_statement=none") as local, local.connect() as session:
        session.execute("CREATE EXTENSION postgres_fdw")
        session.execute(
            f"""CREATE SERVER src FOREIGN DATA WRAPPER postgres_fdw
                OPTIONS (host '127.0.0.1', port '{server.port}', dbname 'postgres', fetch_size '10000',
                         use_remote_estimate 'true')""".encode()
        )
        login = psycopg.sql.SQL("CREATE USER MAPPING FOR CURRENT_USER SERVER src OPTIONS (user {}, password {})")
        session.execute(login.format(server.user, server.password))
        session.execute("IMPORT FOREIGN SCHEMA public FROM SERVER src INTO public")
        session.execute("CREATE TABLE keys (key bigint)")
        session.execute(f"INSERT INTO keys VALUES {', '.join(f'({key})' for key in KEYS)}".encode())
        session.execute("ANALYZE keys")

        def answer(sql: str) -> Rows:
            return rows_of(session.execute(sql.format(**{name: name for name in (*TABLES, "keys")}).encode()).fetchall())

        yield answer
