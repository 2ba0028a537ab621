"""A real MariaDB (Debian's) for tests: an unprivileged user of its own, loopback only, a random port.

Only the server's program is used, never the machine's own service; what it needs is installed by ``tests.services.odbc``.
"""

from __future__ import annotations

import os
import pathlib
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.services.postgresql import free_port, reachable_folder, unprivileged
from virtualization.catalog import Credential, DataSource

READY_SECONDS = 60
_SETTINGS = (
    "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--performance-schema=OFF", "--general-log=1",
)  # fmt: skip


@dataclass(frozen=True)
class MariadbServer:
    """Where it listens, and as whom to log in."""

    port: int
    user: str
    password: str
    folder: pathlib.Path
    process: subprocess.Popen[bytes]

    def connect(self, database: str = "test") -> Any:
        """An autocommit connection (pyodbc)."""
        import pyodbc

        place = f"Driver=MariaDB Unicode;Server=127.0.0.1;Port={self.port};Database={database};CHARSET=utf8mb4"
        return pyodbc.connect(place, user=self.user, password=self.password, autocommit=True)

    def run(self, *statements: str, database: str = "test") -> None:
        """Statements, one by one."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement)

    def source(self, database: str = "test", *, name: str = "src", user: str | None = None, **options: str) -> DataSource:
        """As a data source names it."""
        place = f"odbc:Driver=MariaDB Unicode;Server=127.0.0.1;Port={self.port};Database={database}"
        return DataSource(name, "odbc", place, options, Credential(user or self.user, self.password))

    @property
    def log(self) -> str:
        """Every statement that arrived."""
        return (self.folder / "general.log").read_text(errors="replace")


@contextmanager
def _folder() -> Iterator[pathlib.Path]:
    """In memory where there is room (setting a server up waits for the disk some hundred times), else as others have it."""
    memory = pathlib.Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 1 << 30:
        with reachable_folder() as folder:
            yield folder
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="openbdc-test-", dir=memory))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mariadb_server(*settings: str) -> Iterator[MariadbServer]:
    """Start one (4 s), stop it and remove it at the end."""
    with _folder() as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        data, port, password = folder / "data", free_port(), secrets.token_urlsafe(12)
        _prepare(folder, data, password)
        command: Sequence[object] = [
            shutil.which("mariadbd") or "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", f"--port={port}",
            f"--socket={folder}/socket", f"--pid-file={folder}/pid", f"--init-file={folder}/init.sql",
            f"--general-log-file={folder}/general.log", *_SETTINGS, *settings,
        ]  # fmt: skip
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, cwd=folder, **unprivileged())  # type: ignore[call-overload]
        server = MariadbServer(port, "tester", password, folder, process)
        try:
            _wait(server)
            yield server
        finally:
            process.kill()  # nobody wants its data: to stop in good order takes seconds
            process.wait()


def _prepare(folder: pathlib.Path, data: pathlib.Path, password: str) -> None:
    done = subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"],
        capture_output=True, text=True, cwd=folder, **unprivileged(),  # type: ignore[call-overload]
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"mariadb-install-db ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    init = folder / "init.sql"
    init.write_text(
        "CREATE DATABASE IF NOT EXISTS test CHARACTER SET utf8mb4;\n"
        f"CREATE USER IF NOT EXISTS tester@'%' IDENTIFIED BY '{password}';\nGRANT ALL ON *.* TO tester@'%' WITH GRANT OPTION;\n"
    )
    init.chmod(0o644)


def _wait(server: MariadbServer) -> None:
    import pyodbc

    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            server.connect().close()
            return
        except pyodbc.Error:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MariaDB did not start:\n{(server.folder / 'server.log').read_text()[-3000:]}") from None
            time.sleep(0.05)
