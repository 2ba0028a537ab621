"""The column ``mongodb`` of ``pushdown``: a server that speaks MongoDB's protocol, whose ``system.profile`` holds each command as it
arrived, and our library over it. No peer of the others reads MongoDB, so there are none beside it. The rows are those of the column
``postgresql``; PostgreSQL tells the truth.
"""

from __future__ import annotations

import dataclasses
import datetime
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import bson.json_util
from bson import Decimal128, Int64

from benchmarks.pushdown import PROBES, Ask, Asked, Column, Rows
from benchmarks.pushdown_postgresql import KEYS, OTHER, TABLES, fill, itself, library
from tests.services.mongodb import MongodbServer, mongodb_server
from tests.services.postgresql import PostgresqlServer, postgresql_server
from virtualization import catalog
from virtualization.connectors.mongodb import MongodbConnector

ORDERS = 6_000
"""The stand-in is written in Python: some thousand documents a second."""
INDEXES = ("o_orderkey", "o_custkey", "c_custkey", "n_nationkey", "r_regionkey")
_TYPED = r".{0,40}"
MARKS = {
    "=, range of dates, IN": (r"o_custkey: \{\$eq: 42", r"o_orderdate: \{\$gte: \{\$date: 1995-01-01", r"1-urgent"),
    "LIKE 'x%'": (r"\$regex: \^note.{1,4}77\[",),
    "LIKE '%x%'": (r"\$regex: \^\[.{1,8}\]\*777\[",),
    "OR over columns": (r"\$or: \[\{f\d: \{\$eq: 7\}\}, \{f\d: \{\$eq: 8",),
    "arithmetic": (r"\$multiply: \[.*o_custkey|o_custkey.*\$multiply: \[", r"\$gt: 2990"),
    "upper(column) = …": (r"\$regex: \^ \?:1.{1,4}\[uu\]\[rr\]",),
    "LIMIT": (r"\$limit: 10",),
    "ORDER BY + LIMIT": (r"o_totalprice.*\$sort: .*\$limit: 10",),
    "count(*)": (r"\$group: \{_id: null, .*\$sum: 1",),
    "GROUP BY": (r"o_totalprice.*\$group: .*\$sum: \$f",),
    "DISTINCT": (r"o_orderpriority.*\$group: ",),
    "GROUP BY extract(year)": (r"\$year: \$f.*\$group: ",),
    "join of two tables": (r"^orders .*\$lookup: \{from: customer|^customer .*\$lookup: \{from: orders",),
    "join of three, grouped": (r"\$lookup: \{from: customer.*\$lookup: \{from: nation.*\$group: ",),
    "semi-join (EXISTS)": (r"^customer .*\$lookup: \{from: orders.*\$limit: 1\}.*\$size: 1",),
    "keys of another source": (r"o_orderkey: \{\$in: \[17, 1017",),
    "window function": (r"\$setwindowfields: \{partitionby: .*\$rank",),
    "parallel scan": (r"_id: \{\$(gte|lt)",),
}


@contextmanager
def column(wanted: Sequence[str]) -> Iterator[Column]:
    """See ``benchmarks.pushdown.Column``."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openbdc-bench-", dir="/var/tmp")))
        server = stack.enter_context(postgresql_server())
        fill(server, ORDERS)
        mongodb = stack.enter_context(mongodb_server())
        sizes = copy(server, mongodb)
        ask = logged(mongodb, stack.enter_context(ours(server, mongodb, sizes, folder)))
        probes = tuple(dataclasses.replace(probe, marks=MARKS[probe.name]) for probe in PROBES)
        yield Column({"openbdc": ask}, stack.enter_context(itself(server)), {}, probes)


def stored(value: Any) -> Any:  # noqa: ANN401 a value of PostgreSQL, as a driver of MongoDB writes it
    """Decimals and dates in BSON's types."""
    if isinstance(value, Decimal):
        return Decimal128(value)
    if isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day)
    return Int64(value) if type(value) is int else value


def copy(server: PostgresqlServer, mongodb: MongodbServer) -> dict[str, int]:
    """The same rows as documents, with indexes on the keys; how many of each table."""
    sizes = {}
    database = mongodb.client[mongodb.database]
    with server.connect() as session:
        for name, columns in TABLES.items():
            rows = session.execute(f"SELECT * FROM {name}".encode()).fetchall()
            database[name].insert_many([dict(zip(columns, map(stored, row), strict=True)) for row in rows])
            for key in set(columns) & set(INDEXES):
                database[name].create_index(key)
            sizes[name] = len(rows)
    return sizes


def logged(mongodb: MongodbServer, answer: Callable[[str], Rows]) -> Ask:
    """With the pipelines that arrived meanwhile: the collection, a blank, the stages as JSON. Each connection of ours is a client."""
    database = mongodb.client[mongodb.database]

    def ask(sql: str) -> Asked:
        database.command("profile", 0)
        database["system.profile"].drop()
        database.command("profile", 2)
        try:
            rows = answer(sql)
        finally:
            database.command("profile", 0)
        found = database["system.profile"].find({"command.aggregate": {"$in": list(TABLES)}})
        commands = [(str(one["client"]), one["command"]) for one in found]
        return Asked(rows, [(client, f"{command['aggregate']} {shown(command['pipeline'])}") for client, command in commands])

    return ask


def shown(pipeline: Sequence[dict[str, Any]]) -> str:
    """As JSON, numbers plain."""
    return bson.json_util.dumps(list(pipeline), json_options=bson.json_util.RELAXED_JSON_OPTIONS)


@contextmanager
def ours(server: PostgresqlServer, mongodb: MongodbServer, sizes: dict[str, int], folder: Path) -> Iterator[Callable[[str], Rows]]:
    """The library in this process."""
    login = catalog.Credential(server.user, server.password)
    other = catalog.DataSource(OTHER, "postgresql", f"postgresql://127.0.0.1:{server.port}/{OTHER}", {}, login)
    source = mongodb.source(scan_documents="1000")
    connector = MongodbConnector(source)
    tables = [
        catalog.VirtualTable(
            "public",
            name,
            "src",
            name,
            tuple(catalog.Column(column, of) for column, of in columns.items()),
            connector.detect(name, {}).options,
            float(sizes[name]),
        )
        for name, columns in TABLES.items()
    ]
    connector.close()
    keys = catalog.VirtualTable("public", "keys", OTHER, "public.keys", (catalog.Column("key", "bigint"),), rows=float(len(KEYS)))
    known = catalog.MemoryCatalog.of([source, other], [*tables, keys])
    with library(known, folder) as answer:
        yield answer
