"""``tls``: what encryption costs a load of the data pool and a request to the controller: two clusters of this machine, one with TLS and
one without, asked in turn."""

from __future__ import annotations

import http.client
import os
import ssl
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.loading import KEYS, ROWS, Login, load_file
from benchmarks.report import Figure, Report
from benchmarks.tpch import tables
from pyspark_bdc.coordinator import ROOT_VARIABLE
from tests.services.cluster import Stage, folder

TABLE = "orders"
REQUESTS = 300
"""Of each side and round, over one kept connection."""

NEW_CONNECTIONS = 30
ROUNDS = 5
_SPEC = """apiVersion: openbdc.dev/v1alpha1
kind: BigDataCluster
metadata: {{name: {name}}}
spec:
  security: {{tls: {{enabled: {tls}}}}}
  pools: {{storage: {{enabled: false}}}}
"""


@dataclass(frozen=True)
class Side:
    """One of the two clusters; ``root``: its authority's certificates, None: no TLS."""

    stage: Stage
    controller: str
    root: Path | None

    @classmethod
    def make(cls, stage: Stage, *, tls: bool) -> Side:
        """Create it and log in."""
        spec = stage.folder / "bdc.yaml"
        spec.write_text(_SPEC.format(name=stage.cluster, tls=str(tls).lower()))
        stage.bdc("create", "-f", str(spec))
        root = None
        if tls:
            shown = stage.bdc("cert", "show", "--ca")
            assert isinstance(shown, dict)
            root = stage.folder / "ca.crt"
            root.write_text(str(shown["pem"]))
        return cls(stage, stage.endpoint("controller"), root)

    def connection(self) -> http.client.HTTPConnection:
        """To the controller."""
        parts = urlsplit(self.controller)
        if self.root is None:
            return http.client.HTTPConnection(str(parts.hostname), parts.port)
        return http.client.HTTPSConnection(str(parts.hostname), parts.port, context=ssl.create_default_context(cafile=str(self.root)))

    def load(self, file: Path) -> float:
        """Seconds of one load into a table of its own."""
        login = Login.at(self.stage)
        if self.root is not None:
            os.environ[ROOT_VARIABLE] = str(self.root)
        try:
            began = time.perf_counter()
            rows = load_file(login, TABLE, file, f"HASH({KEYS[TABLE]})")
            took = time.perf_counter() - began
        finally:
            os.environ.pop(ROOT_VARIABLE, None)
        if rows != ROWS[TABLE]:
            raise RuntimeError(f"{rows} rows instead of {ROWS[TABLE]}")
        with self.stage.sql() as session:
            session.execute(f"CALL bdc.drop_data_table('{TABLE}')")
        return took

    def requests(self) -> list[float]:
        """Milliseconds of each request over one connection."""
        connection = self.connection()
        try:
            return [_asked(connection) for _ in range(REQUESTS)]
        finally:
            connection.close()

    def news(self) -> list[float]:
        """Milliseconds of each request with a connection of its own."""
        found = []
        for _ in range(NEW_CONNECTIONS):
            connection = self.connection()
            found.append(_asked(connection))
            connection.close()
        return found


def _asked(connection: http.client.HTTPConnection) -> float:
    began = time.perf_counter()
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"/healthz answered {answer.status}")
    return (time.perf_counter() - began) * 1000


def run(rounds: int | None) -> Report:
    """The report."""
    rounds = rounds or ROUNDS
    file = tables(1, TABLE)[TABLE]
    with ExitStack() as stack:
        sides = {name: Side.make(stack.enter_context(folder()), tls=name == "tls") for name in ("plain", "tls")}
        loads: dict[str, list[float]] = {name: [] for name in sides}
        rest: dict[str, list[float]] = {name: [] for name in sides}
        news: dict[str, list[float]] = {name: [] for name in sides}
        for side in sides.values():  # not measured: imports, first connections
            side.load(file)
            side.requests()
        for number in range(rounds):
            for name in sorted(sides, reverse=number % 2 == 1):
                loads[name].append(sides[name].load(file))
                rest[name] += sides[name].requests()
                news[name] += sides[name].news()
    return _report(loads, rest, news, rounds)


def _report(loads: dict[str, list[float]], rest: dict[str, list[float]], news: dict[str, list[float]], rounds: int) -> Report:
    load = {name: statistics.median(taken) for name, taken in loads.items()}
    request = {name: statistics.median(taken) for name, taken in rest.items()}
    new = {name: statistics.median(taken) for name, taken in news.items()}
    figures = (
        Figure("load_pct", 100 * (load["tls"] / load["plain"] - 1), "%", "<= 15", f"{load['plain']:.2f} s → {load['tls']:.2f} s"),
        Figure("rest_ms", request["tls"] - request["plain"], "ms", "<= 0.5", f"p50 {request['plain']:.2f} → {request['tls']:.2f} ms"),
        Figure("new_ms", new["tls"] - new["plain"], "ms", None, f"with a new connection, p50 {new['plain']:.2f} → {new['tls']:.2f} ms"),
    )
    lines = (
        f"{ROWS[TABLE]:,} rows of {TABLE} into two shards by the load protocol, two streams; {REQUESTS} requests over one connection",
        f"median of {rounds} rounds, the two clusters in turn, the first of each round changes",
        f"load average at the end: {os.getloadavg()[0]:.1f}",
    )
    return Report("tls", figures, lines, {"rounds": rounds, "load_seconds": load, "rest_p50_ms": request})
