"""A shard as its clients see it: an in-process server or a process of its own, and a client that makes its own tickets."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

import pyarrow as pa
from pyarrow import flight

from pools.data.flight import ShardServer
from pools.data.settings import Limits, ShardSettings
from pools.data.shard import Shard
from pools.data.store import Store
from pools.memory import ALLOCATION
from pools.tickets import Signer, make_private_key
from tests.patience import PATIENCE

KEY = make_private_key()
SIGNER = Signer(KEY)
DB = str(uuid.UUID(int=1))


class RefusedError(Exception):
    """What the shard answered."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['sqlstate']} {error['message']} {error.get('detail', '')}")
        self.code = error["sqlstate"]
        self.message = error["message"]


def refused(error: Exception) -> Exception:
    """The shard's own error, when there is one in it."""
    text = str(error)
    if "{" not in text:
        return error
    return RefusedError(json.JSONDecoder().raw_decode(text[text.index("{") :])[0])


def table(columns: dict[str, str], key: tuple[str, ...] = (), name: str | None = None, **more: Any) -> dict[str, Any]:
    """A table as tickets name it; a type that ends in ``!`` is NOT NULL."""
    listed = [
        {"id": n, "name": column, "type": type_.rstrip("!"), "nullable": not type_.endswith("!")}
        for n, (column, type_) in enumerate(columns.items(), 1)
    ]
    return {"id": name or str(uuid.uuid4()), "generation": 1, "schema_version": 1, "columns": listed, "key": list(key)} | more


class Client:
    """Speaks to one shard, with tickets for what it asks."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.flight = flight.FlightClient(f"grpc://127.0.0.1:{port}")
        self.mark = 0
        """The last that the shard told with an answer."""

        self.shard = self.act("hello")[0]["shard"]

    def ticket(self, op: str, **claims: Any) -> str:
        return SIGNER.sign("data-shard", op, 60, {"db": DB, "shard": self.shard} | claims)

    def act(self, name: str, **body: Any) -> list[dict[str, Any]]:
        if name != "hello":
            body.setdefault("ticket", self.ticket("control"))
        try:
            rows = [json.loads(one.body.to_pybytes()) for one in self.flight.do_action((name, json.dumps(body).encode()))]
        except pa.ArrowException as error:
            raise refused(error) from None
        for row in rows:
            self.mark = row.pop("mark", self.mark)
        return rows

    def put(self, of: dict[str, Any], rows: pa.Table, load: str, partition: int = 0, attempt: int = 0, **more: Any) -> dict[str, int]:
        mode, told = more.pop("mode", "append"), more.pop("told", rows.num_rows)
        command = {"ticket": self.ticket("put", load=load, mode=mode, tables=[of]), "partition": partition, "attempt": attempt} | more
        try:
            writer, reader = self.flight.do_put(flight.FlightDescriptor.for_command(json.dumps(command)), rows.schema)
            with writer:
                try:
                    for batch in rows.to_batches():
                        writer.write_batch(batch)
                    if told is not None:
                        writer.write_metadata(json.dumps({"rows": told}).encode())
                    writer.done_writing()
                except pa.ArrowException:
                    pass  # the answer says why
                return json.loads(reader.read().to_pybytes())
        except pa.ArrowException as error:
            raise refused(error) from None

    def seal(self, of: dict[str, Any], load: str, winners: list[list[int]], mode: str = "append", **more: Any) -> dict[str, int]:
        return self.act("seal", load=load, tables=[of | {"mode": mode, "winners": winners}], **more)[0]

    def load(self, of: dict[str, Any], rows: pa.Table, version: int, mode: str = "append") -> str:
        """A whole load of one stream."""
        load = str(uuid.uuid4())
        self.put(of, rows, load, mode=mode)
        self.seal(of, load, [[0, 0, rows.num_rows]], mode)
        self.act("publish", loads=[[load, version]])
        return load

    def read(self, of: dict[str, Any], snapshot: int, sql: str = "SELECT * FROM t ORDER BY ALL", **more: Any) -> pa.Table:
        claims = {
            "tables": [{k: v for k, v in of.items() if k != "generation"} | {"alias": "t"}],
            "snapshot": snapshot,
            "pending": [],
            "sql": sql,
        }
        try:
            return self.flight.do_get(flight.Ticket(self.ticket("read", **(claims | more)))).read_all()
        except pa.ArrowException as error:
            raise refused(error) from None

    def column(self, of: dict[str, Any], snapshot: int, sql: str = "SELECT * FROM t ORDER BY ALL", **more: Any) -> list[Any]:
        return self.read(of, snapshot, sql, **more).column(0).to_pylist()


@contextlib.contextmanager
def served(folder: pathlib.Path, **limits: Any) -> Iterator[tuple[Client, Shard]]:
    """A shard in this process."""
    settings = ShardSettings(0, 0, str(folder), SIGNER.public_key, limits=Limits(**({"reserve_mb": 1, "compaction_seconds": 0} | limits)))
    store = Store(folder, settings.limits)
    shard = Shard(settings, store)
    server = ShardServer(shard, "127.0.0.1", 0)
    client = Client(server.port)
    try:
        yield client, shard
    finally:
        client.flight.close()
        server.stop(1)
        store.close()


class Process:
    """A shard as a process, to be killed."""

    begun: ClassVar[list[Process]] = []
    """Those of the test that runs: a test that fails half-way leaves none (conftest.py)."""

    def __init__(self, folder: pathlib.Path, port: int = 0, **limits: Any) -> None:
        self.begun.append(self)
        settings = ShardSettings(port, 0, str(folder / "data"), SIGNER.public_key, limits=Limits(**({"reserve_mb": 1} | limits)))
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "data.json"
        self._config.write_text(settings.json())
        self.started_seconds = 0.0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Client:
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pools.data.service", "--config", str(self._config)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=pathlib.Path(__file__).parents[3],
            env=os.environ | ALLOCATION | {"TZ": "UTC"},  # as a cluster starts it: its memory is measured
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            if said["event"] == "serving":
                self.started_seconds = time.monotonic() - began
                self.opened_seconds = said["opened_seconds"]
                return Client(said["port"])
        raise AssertionError("the shard did not start")

    def kill(self) -> None:
        """Nothing if it has ended, or never ran."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code
