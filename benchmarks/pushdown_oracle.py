"""The column ``oracle`` of ``pushdown``: the stand-in, which logs what arrives, and our library over it. No peer reads Oracle without
Oracle's own client libraries, so there are none beside it. The rows are those of the column ``postgresql``; PostgreSQL tells the truth.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.pushdown import PROBES, Ask, Asked, Column, Rows
from benchmarks.pushdown_postgresql import KEYS, OTHER, TABLES, fill, itself, library
from tests.services.oracle import StandIn, oracle_stand_in
from tests.services.postgresql import PostgresqlServer, postgresql_server
from virtualization import catalog

ORDERS = 40_000
TYPES = {"bigint": "NUMBER(18,0)", "integer": "NUMBER(9,0)", "numeric(12,2)": "NUMBER(12,2)", "text": "VARCHAR2(100)", "date": "DATE"}
MARKS = {
    # upper() of ASCII letters by a table of them: the source's own table might be another
    "upper(column) = …": (r"translate \S*o_orderpriority, 'abcdefghijklmnopqrstuvwxyz",),
    # an arm of the wrapped statement, by its alias
    "keys of another source": (r"o_orderkey in 17, 1017",),
}
EXCEPTIONS = {"parallel scan": "one session reads a table: ranges of ROWID are not made"}


@contextmanager
def column(wanted: Sequence[str]) -> Iterator[Column]:
    """See ``benchmarks.pushdown.Column``."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openbdc-bench-", dir="/var/tmp")))
        server = stack.enter_context(postgresql_server())
        fill(server, ORDERS)
        oracle = stack.enter_context(oracle_stand_in(server, "oracle_stand_in"))
        sizes = copy(server, oracle)
        ask = logged(oracle, stack.enter_context(ours(server, oracle, sizes, folder)))
        probes = tuple(dataclasses.replace(probe, marks=MARKS.get(probe.name, probe.marks)) for probe in PROBES)
        yield Column({"openbdc": ask}, stack.enter_context(itself(server)), EXCEPTIONS, probes)


def copy(server: PostgresqlServer, oracle: StandIn) -> dict[str, int]:
    """The same rows; how many of each table."""
    sizes = {}
    with server.connect() as session:
        for name, columns in TABLES.items():
            rows = session.execute(f"SELECT * FROM {name}".encode()).fetchall()
            oracle.database.create(name.upper(), [(column.upper(), TYPES[of]) for column, of in columns.items()], rows)
            sizes[name] = len(rows)
    return sizes


def logged(oracle: StandIn, answer: Callable[[str], Rows]) -> Ask:
    """With what the stand-in received meanwhile; looks at the dictionary are none."""

    def ask(sql: str) -> Asked:
        before = len(oracle.selects())
        rows = answer(sql)
        return Asked(rows, [("", text) for text in oracle.selects()[before:]])

    return ask


@contextmanager
def ours(server: PostgresqlServer, oracle: StandIn, sizes: dict[str, int], folder: Path) -> Iterator[Callable[[str], Rows]]:
    """The library in this process."""
    login = catalog.Credential(server.user, server.password)
    other = catalog.DataSource(OTHER, "postgresql", f"postgresql://127.0.0.1:{server.port}/{OTHER}", {}, login)
    tables = [
        catalog.VirtualTable(
            "public",
            name,
            "src",
            f"SHOP.{name.upper()}",
            tuple(catalog.Column(column, of, True, column.upper()) for column, of in columns.items()),
            rows=float(sizes[name]),
        )
        for name, columns in TABLES.items()
    ]
    keys = catalog.VirtualTable("public", "keys", OTHER, "public.keys", (catalog.Column("key", "bigint"),), rows=float(len(KEYS)))
    known = catalog.MemoryCatalog.of([oracle.source(), other], [*tables, keys])
    with library(known, folder) as answer:
        yield answer
