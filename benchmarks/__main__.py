"""``python -m benchmarks NAME [--rounds N]``; without a name: the list."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable

from benchmarks.report import Report

BENCHMARKS: dict[str, tuple[str, str]] = {
    "app": ("benchmarks.app:run", "calls of an app through the proxy with a token: latency of one client, calls/s of four"),
    "app-create": ("benchmarks.app_create:run", "bdc app create until an app is ready: environment kept, or to be built"),
    "atomicity": ("benchmarks.atomicity:run", "500 rounds of loads and transactions with kill -9 of a participant"),
    "bulkread": ("benchmarks.bulkread:run", "6 M rows of two shards into Spark, which counts them, and into pandas"),
    "bulkwrite": ("benchmarks.bulkwrite:run", "Spark writes 7.5 M rows into two shards, beside JDBC, COPY and Parquet"),
    "cli": ("benchmarks.cli:run", "CPU of bdc --help and bdc status"),
    "clients": ("benchmarks.clients:run", "50 clients, mixed queries, 2 minutes"),
    "create": ("benchmarks.create:run", "seconds from create to ready, and of delete"),
    "datapool": ("benchmarks.datapool:run", "five queries on 6 M rows in two shards, beside DuckDB in this process and PostgreSQL"),
    "federated": ("benchmarks.federated:run", "nine queries over PostgreSQL and Parquet, beside DuckDB, chDB, Spark, Trino"),
    "federated_slow": ("benchmarks.federated_slow:run", "the same where PostgreSQL lies behind 100 Mbit/s and 5 ms"),
    "footprint": ("benchmarks.footprint:run", "memory of all pools, idle"),
    "fuzz": ("benchmarks.fuzz:run", "a million bad inputs at the parsers, 20,000 over sockets: crashes, wrong acceptances"),
    "heal": ("benchmarks.heal:run", "kill -9 of each process under a running query"),
    "images": ("benchmarks.images:run", "what each container image weighs in a registry"),
    "insert_select": (
        "benchmarks.insert_select:run",
        "INSERT … SELECT of 1 M rows through the master into the data pool, beside a local table",
    ),
    "k8s-create": ("benchmarks.k8s_create:run", "seconds from the custom resource to all ready on a real node, and of deletion"),
    "k8s-heal": ("benchmarks.k8s_heal:run", "each pod killed in turn, until it is ready and the main query right"),
    "k8s-pass": ("benchmarks.k8s_pass:run", "calls and seconds of a pass with nothing to do, 10 and 1,000 pods in the namespace"),
    "matrix": ("benchmarks.matrix:run", "who gets in where: every endpoint × every kind of caller, beside what is declared"),
    "login": ("benchmarks.login:run", "a login with a directory account: 10,000 people, 2,000 groups nested ten deep"),
    "mongo": ("benchmarks.mongo:run", "bytes that leave MongoDB for queries that group and join, beside a client that pulls"),
    "planning": ("benchmarks.planning:run", "milliseconds to plan: new texts, 10,000 tables, seen before, a join of eight"),
    "predict": ("benchmarks.predict:run", "SQL predict over 1 M rows of the data pool; bdc.score through the master"),
    "pushdown": (
        "benchmarks.pushdown:run",
        "eighteen probes: what reaches the source, by its log, beside DuckDB, chDB, Spark, postgres_fdw",
    ),
    "roundtrip": ("benchmarks.roundtrip:run", "point query on a remote PostgreSQL table through the master"),
    "roundtrip_datapool": ("benchmarks.roundtrip_datapool:run", "point query by hash key on 6 M rows in two shards"),
    "score": ("benchmarks.score:run", "bdc.spark.score over 2 M rows of a DataFrame, beside mapInPandas"),
    "shards": ("benchmarks.shards:run", "load, scan, group-by with 1, 2, 4, 8 shards: seconds and CPU"),
    "rows_out": ("benchmarks.rows_out:run", "2 M rows of a Parquet virtual table through the master, beside a heap table"),
    "switch": ("benchmarks.switch:run", "200 calls/s of an app while its live version changes 20 times; while workers are killed"),
    "tls": ("benchmarks.tls:run", "what encryption costs a load of the data pool and a request to the controller"),
    "update": ("benchmarks.update:run", "UPDATE of 1 % and upsert of 1 M rows into 6 M of the data pool, beside deltalake"),
    "verify": ("benchmarks.verify:run", "100,000 random queries over every kind of source, compared: how many differ"),
}
"""Name → (module:function, what it measures)."""


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=[*BENCHMARKS, "all"])
    parser.add_argument("--rounds", type=int, help="how often each side is measured (default: the benchmark's own)")
    arguments = parser.parse_args()
    if arguments.name is None:
        for name, (_, text) in BENCHMARKS.items():
            print(f"{name:<20} {text}")
        return 0
    for name in BENCHMARKS if arguments.name == "all" else [arguments.name]:
        module, _, function = BENCHMARKS[name][0].partition(":")
        run: Callable[[int | None], Report] = getattr(importlib.import_module(module), function)
        run(arguments.rounds).show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
