"""``shards``: load, scan and group-by of lineitem (6 M rows) with 1, 2, 4 and 8 shards on this one machine: seconds, and seconds of CPU
of the shards, of the compute pool and of this process as client. More shards than cores can't be faster here; what the figures show is
what spreading costs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.datapool import QUERIES
from benchmarks.loading import KEYS, ROWS, Login, load_file
from benchmarks.reading import count_of
from benchmarks.report import Figure, Report
from benchmarks.tpch import tables
from tests.services.data_pool import PASSWORD, DataPool, data_pool
from tests.services.flight_loads import LoadClient

SHARDS = (1, 2, 4, 8)
TABLE = "lineitem"
TICKS = os.sysconf("SC_CLK_TCK")
PARTS = ("shards", "compute", "client")

Costs = dict[str, float]
"""``seconds``, and seconds of CPU by part."""


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _used(pool: DataPool) -> Costs:
    services = {"shards": pool.shards, "compute": pool.replicas}
    used = {name: sum(_cpu(one.process.pid) for one in given if one.process is not None) for name, given in services.items()}
    return used | {"client": time.process_time(), "seconds": time.perf_counter()}


def cost(pool: DataPool, work: Callable[[], object], times: int = 1) -> Costs:
    """Of one run, the mean of ``times``."""
    before = _used(pool)
    for _ in range(times):
        work()
    after = _used(pool)
    return {name: (after[name] - before[name]) / times for name in after}


def measure(shards: int, times: int) -> dict[str, Costs]:
    """Each kind of work with so many shards."""
    with data_pool(shards=shards) as pool, pool.connect("admin") as session:
        login = Login("127.0.0.1", pool.master.port, "admin", PASSWORD)
        file = tables(1, TABLE)[TABLE]
        costs = {"load": cost(pool, lambda: load_file(login, TABLE, file, f"HASH({KEYS[TABLE]})"))}
        client = LoadClient(f"grpc://127.0.0.1:{pool.flight_ports[0]}", "admin", PASSWORD)
        if count_of(client, TABLE) != ROWS[TABLE]:
            raise RuntimeError(f"{shards} shards: rows are missing")
        costs["scan"] = cost(pool, lambda: count_of(client, TABLE), times)
        session.execute(QUERIES["group_by"].encode()).fetchall()
        costs["group_by"] = cost(pool, lambda: session.execute(QUERIES["group_by"].encode()).fetchall(), 3 * times)
        client.close()
    return costs


def run(rounds: int | None) -> Report:
    """A line per number of shards and kind of work; figures: 8 shards ÷ 1 shard, by CPU."""
    count = rounds or 2
    found = {shards: measure(shards, count) for shards in SHARDS}
    lines = [
        f"{shards} shards, {work}: {costs['seconds']:.2f} s; CPU " + ", ".join(f"{part} {costs[part]:.2f} s" for part in PARTS)
        for shards, all_ in found.items()
        for work, costs in all_.items()
    ]
    lines.append(f"limit: {os.cpu_count()} cores shared by the shards, the compute pool, the master and the client")
    figures = [
        Figure(f"{work}_cpu_8_vs_1", _total(found[8][work]) / _total(found[1][work]), "ratio", None, "CPU of all parts")
        for work in found[1]
    ]
    figures += [Figure(f"{work}_s_{shards}", all_[work]["seconds"], "s") for shards, all_ in found.items() for work in all_]
    rounded = {shards: {work: {k: round(v, 3) for k, v in c.items()} for work, c in all_.items()} for shards, all_ in found.items()}
    return Report("shards", tuple(figures), tuple(lines), {"rounds": count, "costs": rounded})


def _total(costs: Costs) -> float:
    return sum(costs[part] for part in PARTS)
