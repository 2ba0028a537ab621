"""A server that speaks MongoDB's wire protocol for tests: SecantusDB, a process of its own, loopback only, a random port.

``BDC_TEST_MONGODB_URI`` (``mongodb://user:password@host:port/?…``) names a real MongoDB to run the same tests against; each test run then
uses databases of its own and drops them.
"""

from __future__ import annotations

import os
import pathlib
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient, errors
from pymongo.uri_parser import parse_uri

from tests.services.postgresql import free_port, reachable_folder
from virtualization.catalog import Credential, DataSource

READY_SECONDS = 60


@dataclass
class MongodbServer:
    """Where it listens. ``client``: of the tests, with all rights; ``database``: theirs."""

    uri: str
    client: MongoClient[dict[str, Any]]
    database: str

    @property
    def is_real(self) -> bool:
        """Is it a MongoDB, not SecantusDB?"""
        return "BDC_TEST_MONGODB_URI" in os.environ

    def source(self, **options: str) -> DataSource:
        """As a data source names it."""
        told = parse_uri(self.uri)
        hosts = ",".join(f"{host}:{port}" for host, port in told["nodelist"])
        parameters = "&".join(f"{name}={value}" for name, value in told["options"].items())
        credential = Credential(told["username"], told["password"])
        location = f"mongodb://{hosts}/{self.database}?{parameters}".rstrip("?")
        return DataSource("src", "mongodb", location, {"connect_timeout": str(READY_SECONDS), **options}, credential)


def start(folder: pathlib.Path, port: int, *arguments: str) -> subprocess.Popen[bytes]:
    """One server; wait for it with ``wait``. Its own configuration file keeps it from those of the machine."""
    (folder / "secantusd.toml").touch()
    program = pathlib.Path(sys.executable).parent / "secantusd-py"
    command = [program, "--config", folder / "secantusd.toml", "--host", "127.0.0.1", "--port", port, "--cache-size", "64M", *arguments]
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)


def wait(client: MongoClient[dict[str, Any]], process: subprocess.Popen[bytes], folder: pathlib.Path) -> None:
    """Until it answers."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.admin.command("ping")
            return
        except errors.PyMongoError:
            time.sleep(0.05)
    raise RuntimeError(f"SecantusDB is not ready:\n{(folder / 'server.log').read_text()[-3000:]}")


@contextmanager
def mongodb_server(*arguments: str, parameters: str = "") -> Iterator[MongodbServer]:
    """A server for the block; with ``arguments`` always one of its own, never that of the environment."""
    given = os.environ.get("BDC_TEST_MONGODB_URI")
    database = f"bdc_test_{secrets.token_hex(4)}"
    if given and not arguments:
        with MongoClient(given) as client:
            yield MongodbServer(given, client, database)
            client.drop_database(database)
        return
    with reachable_folder("openbdc-mongodb-") as folder:
        port = free_port()
        uri = f"mongodb://127.0.0.1:{port}/{parameters}"
        process = start(folder, port, "--storage-path", str(folder / "data"), *arguments)
        try:
            with MongoClient(uri, serverSelectionTimeoutMS=500) as client:
                wait(client, process, folder)
            with MongoClient(uri, serverSelectionTimeoutMS=READY_SECONDS * 1000) as client:
                yield MongodbServer(uri, client, database)
        finally:
            process.kill()  # nobody wants its data: to stop in good order takes seconds
            process.wait()
