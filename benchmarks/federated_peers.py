"""The peers of ``federated``, each a process with packages of its own (``federated_worker``)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bulkwrite import jdbc_driver
from benchmarks.federated_queries import REMOTE
from benchmarks.federated_trino import running_trino, trino_server
from benchmarks.tpch import throw_away
from tests.services.spark import spark_environment

WORKER = Path(__file__).parent / "federated_worker.py"
PACKAGES = {
    "duckdb": ("duckdb==1.5.5", "duckdb-extensions", "duckdb-extension-postgres-scanner==1.5.5"),
    "chdb": ("chdb==4.4.0", "chdb-core==26.9.0"),
    "trino": ("trino",),
}
THREADS = 2


@dataclass(frozen=True)
class Target:
    """What peers read."""

    port: int
    user: str
    password: str = field(repr=False)
    files: Mapping[str, Path]

    def given(self, **more: object) -> dict[str, object]:
        """The worker's first line."""
        login = {"host": "127.0.0.1", "port": self.port, "user": self.user, "password": self.password, "database": "postgres"}
        files = {table: str(path.resolve()) for table, path in self.files.items()}
        return {"postgresql": login, "files": files, "remote": list(REMOTE), "threads": THREADS, **more}


class Peer:
    """A worker that has answered its first query."""

    def __init__(self, name: str, command: list[str], given: dict[str, object], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self._log = (folder / f"{name}.log").open("w")
        self._process = subprocess.Popen(
            [*command, str(WORKER), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, bufsize=1,
            env=dict(environment), cwd=folder,
        )  # fmt: skip
        self._say(given)

    def ask(self, sql: str) -> tuple[float, list[list[str]]]:
        """Seconds and rows; RuntimeError with what the peer said."""
        answer = self._say({"sql": sql})
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        rows = answer["rows"]
        assert isinstance(rows, list)
        return float(str(answer["seconds"])), rows

    def stop(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _say(self, message: dict[str, object]) -> dict[str, object]:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(message), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended:\n{Path(self._log.name).read_text()[-2000:]}")
        answer: dict[str, object] = json.loads(line)
        return answer


@contextlib.contextmanager
def peers(target: Target, wanted: Collection[str]) -> Iterator[dict[str, Peer]]:
    """Those of ``wanted`` that can be had."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openbdc-bench-", dir="/var/tmp")))
        started: dict[str, Peer] = {}

        def start(name: str, command: list[str], environment: Mapping[str, str], **more: object) -> None:
            started[name] = Peer(name, command, target.given(**more), environment, folder)
            stack.callback(started[name].stop)

        for name in ("duckdb", "chdb"):
            if name in wanted:
                start(name, throw_away(*PACKAGES[name]), os.environ)
        if "spark" in wanted:
            spark = stack.enter_context(spark_environment(""))
            start("spark", [str(spark.python)], spark.variables(), jar=str(jdbc_driver()))
        if "trino" in wanted:
            port = stack.enter_context(running_trino(trino_server(), folder / "trino", target))
            start("trino", throw_away(*PACKAGES["trino"]), os.environ, trino=port)
        yield started
