"""``mongo``: ``part`` and ``partsupp`` as documents; queries that group and join, ours beside a client that pulls the fields it needs and
computes by itself (in DuckDB), alternating. Bytes that leave the server are counted on links of their own (100 Mbit/s, 5 ms one way).
The server is the tests' stand-in, written in Python: the seconds are its own, the bytes are MongoDB's protocol."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from bson import Decimal128, Int64
from pymongo import MongoClient

from benchmarks.federated_worker import cell
from benchmarks.report import Figure, Report, median
from benchmarks.throttle import slow_link
from tests.services.mongodb import MongodbServer, mongodb_server
from virtualization import catalog
from virtualization.connectors.mongodb import MongodbConnector
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor

PARTS = 1_500
"""Scale 0.0075 of TPC-H; four rows of partsupp for each."""
SUPPLIERS = 200
ROUNDS = 3
Rows = list[list[str]]
TABLES: Mapping[str, Mapping[str, str]] = {
    "part": {
        "p_partkey": "bigint", "p_name": "text", "p_mfgr": "text", "p_brand": "text", "p_type": "text", "p_size": "integer",
        "p_container": "text", "p_retailprice": "numeric(12,2)", "p_comment": "text",
    },
    "partsupp": {
        "ps_partkey": "bigint", "ps_suppkey": "bigint", "ps_availqty": "integer", "ps_supplycost": "numeric(12,2)", "ps_comment": "text",
    },
}  # fmt: skip
QUERIES: Mapping[str, str] = {
    "brands": "select p_brand, count(*), sum(p_retailprice), min(p_size), max(p_size) from part group by p_brand",
    "containers": "select p_mfgr, p_container, count(*), avg(p_size) from part where p_size > 10 group by p_mfgr, p_container",
    "suppliers": "select ps_suppkey, sum(ps_availqty), min(ps_supplycost) from partsupp group by ps_suppkey"
    " having sum(ps_availqty) > 150000",
    "value": "select p_brand, sum(ps_supplycost * ps_availqty) from partsupp join part on ps_partkey = p_partkey group by p_brand",
    "offers": "select p_type, p_size, count(distinct ps_suppkey) from partsupp join part on ps_partkey = p_partkey"
    " where p_brand <> 'Brand#45' and p_size in (3, 9, 14) group by p_type, p_size",
    "cheapest": "select p_size, min(ps_supplycost), max(ps_supplycost) from partsupp join part on ps_partkey = p_partkey"
    " where p_type like '%BRASS' group by p_size",
}


@dataclass(frozen=True)
class Side:
    """``ask``: the answer; ``moved``: bytes that came from the server so far."""

    ask: Callable[[str], Rows]
    moved: Callable[[], int]


def run(rounds: int | None) -> Report:
    """Both sides, in turn."""
    count = rounds or ROUNDS
    sizes: dict[str, dict[str, list[int]]] = {"openbdc": {}, "client": {}}
    seconds: dict[str, dict[str, list[float]]] = {"openbdc": {}, "client": {}}
    wrong: list[str] = []
    with ExitStack() as stack:
        server = stack.enter_context(mongodb_server())
        fill(server)
        sides = {"openbdc": stack.enter_context(ours(server)), "client": stack.enter_context(client(server))}
        for number in range(count + 1):  # the first is not counted: connections, catalogs
            for name, sql in QUERIES.items():
                answers = {
                    side: asked(one, sql, sizes[side].setdefault(name, []), seconds[side].setdefault(name, []))
                    for side, one in sides.items()
                }
                if answers["openbdc"] != answers["client"]:
                    wrong.append(f"{name}, round {number}: different answers")
    moved = {side: {name: median(found[1:]) for name, found in of.items()} for side, of in sizes.items()}
    spent = {side: {name: median(found[1:]) for name, found in of.items()} for side, of in seconds.items()}
    ratios = {name: moved["client"][name] / moved["openbdc"][name] for name in QUERIES}
    lines = [f"{'':<12}{'KB, ours':>12}{'KB, client':>12}{'ratio':>8}{'s, ours':>10}{'s, client':>11}"]
    for name in QUERIES:
        kilobytes = f"{moved['openbdc'][name] / 1e3:>12.1f}{moved['client'][name] / 1e3:>12.1f}{ratios[name]:>8.1f}"
        lines.append(f"{name:<12}{kilobytes}{spent['openbdc'][name]:>10.2f}{spent['client'][name]:>11.2f}")
    figures = (
        Figure(
            "bytes_ratio", sum(moved["client"].values()) / sum(moved["openbdc"].values()), "ratio", ">= 20", "client's bytes ÷ ours, all"
        ),
        Figure("bytes_ratio_least", min(ratios.values()), "ratio", None, "of one query"),
        Figure("different_answers", len(wrong), "", "<= 0"),
    )
    return Report("mongo", figures, (*lines, *wrong), {"rounds": count, "parts": PARTS, "bytes": moved, "seconds": spent})


def asked(side: Side, sql: str, sizes: list[int], seconds: list[float]) -> Rows:
    """The answer; what it moved and how long it took are noted."""
    before, start = side.moved(), time.perf_counter()
    rows = side.ask(sql)
    seconds.append(time.perf_counter() - start)
    sizes.append(side.moved() - before)
    return rows


def fill(server: MongodbServer) -> None:
    """The documents, with indexes on the keys."""
    database = server.client[server.database]
    brands, words = (
        [f"Brand#{a}{b}" for a in range(1, 6) for b in range(1, 6)],
        ("STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"),
    )
    metals, boxes = ("TIN", "NICKEL", "BRASS", "STEEL", "COPPER"), ("SM CASE", "LG BOX", "MED BAG", "JUMBO JAR", "WRAP PKG", "SM DRUM")
    database.part.insert_many([
        {"p_partkey": Int64(n), "p_name": f"goldenrod lavender part {n}", "p_mfgr": f"Manufacturer#{n % 5 + 1}",
         "p_brand": brands[n * 7 % 25], "p_type": f"{words[n % 6]} ANODIZED {metals[n * 3 % 5]}", "p_size": n * 13 % 50 + 1,
         "p_container": boxes[n * 11 % 6],
         "p_retailprice": Decimal128(f"{90000 + n * 37 % 20000}e-2"), "p_comment": f"ironic packages {n % 100}"}
        for n in range(1, PARTS + 1)
    ])  # fmt: skip
    database.partsupp.insert_many([
        {"ps_partkey": Int64(n), "ps_suppkey": Int64((n + k * SUPPLIERS // 4) % SUPPLIERS + 1), "ps_availqty": (n * 17 + k * 31) % 9999 + 1,
         "ps_supplycost": Decimal128(f"{(n * 53 + k * 7919) % 100000 + 100}e-2"), "ps_comment": "carefully final requests nag " * 4}
        for n in range(1, PARTS + 1) for k in range(4)
    ])  # fmt: skip
    database.part.create_index("p_partkey")
    database.partsupp.create_index("ps_partkey")


@contextmanager
def ours(server: MongodbServer) -> Iterator[Side]:
    """The library in this process."""
    with slow_link(_port(server)) as link, tempfile.TemporaryDirectory(prefix="openbdc-bench-", dir="/var/tmp") as folder:
        source = catalog.DataSource("shop", "mongodb", f"mongodb://127.0.0.1:{link.port}/{server.database}?directConnection=true")
        connector = MongodbConnector(source)
        tables = []
        for name, columns in TABLES.items():
            found = connector.detect(name, {})
            declared = tuple(catalog.Column(column, of) for column, of in columns.items())
            tables.append(catalog.VirtualTable("public", name, "shop", name, declared, found.options, found.rows))
        connector.close()
        known = catalog.MemoryCatalog.of([source], tables)
        engine = Engine([DuckDbExecutor(1 << 30, folder, os.cpu_count() or 1)])

        def ask(sql: str) -> Rows:
            result = engine.run(engine.plan(sql, known))
            try:
                return sorted([cell(value) for value in row] for batch in result for row in _tuples(batch))
            finally:
                result.close()

        try:
            yield Side(ask, lambda: link.moved)
        finally:
            engine.close()


@contextmanager
def client(server: MongodbServer) -> Iterator[Side]:
    """Pulls the documents' fields that the query names, and lets DuckDB compute."""
    with slow_link(_port(server)) as link, ExitStack() as stack:
        driver: MongoClient[dict[str, Any]] = MongoClient(f"mongodb://127.0.0.1:{link.port}/?directConnection=true")
        database = stack.enter_context(driver)[server.database]

        def ask(sql: str) -> Rows:
            with duckdb.connect() as engine:
                for name, columns in TABLES.items():
                    needed = [column for column in columns if column in sql]
                    if needed:
                        found = database[name].find({}, {"_id": 0, **dict.fromkeys(needed, 1)})
                        rows = [
                            {key: value.to_decimal() if isinstance(value, Decimal128) else value for key, value in one.items()}
                            for one in found
                        ]
                        engine.register(name, pa.Table.from_pylist(rows))
                return sorted([cell(value) for value in row] for row in engine.execute(sql).fetchall())

        yield Side(ask, lambda: link.moved)


def _tuples(batch: pa.RecordBatch) -> list[tuple[object, ...]]:
    return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _port(server: MongodbServer) -> int:
    return int(server.uri.rsplit(":", 1)[1].split("/")[0])
