"""The demo's legacy system: a PostgreSQL that is not the master, with neighbourhoods and a million sales.

python examples/demo/legacy.py start    # prints where it listens; loads the tables the first time
python examples/demo/legacy.py stop
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg
import raw

from controller.substrates.local.programs import home, program

FIRST_PORT = 25432
"""Below the range from which the kernel takes ports for outgoing connections."""

SCHEMA = """
CREATE TABLE neighbourhoods (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE sales (
    id bigint NOT NULL, neighbourhood_id integer NOT NULL, sold_on date NOT NULL, price numeric(12,2) NOT NULL, rooms smallint NOT NULL);
"""
# after the rows: one sort and one join instead of a million look-ups
KEYS = "ALTER TABLE sales ADD PRIMARY KEY (id), ADD FOREIGN KEY (neighbourhood_id) REFERENCES neighbourhoods"


@dataclass(frozen=True)
class Legacy:
    """A folder with the server's data, its port and its password."""

    folder: Path

    @classmethod
    def default(cls) -> Legacy:
        """Beside the clusters of this machine."""
        return cls(home() / "demo-legacy")

    @property
    def port(self) -> int:
        """Chosen at the first start."""
        return int((self.folder / "port").read_text())

    @property
    def password(self) -> str:
        """Of the user ``legacy``."""
        return (self.folder / "password").read_text()

    @property
    def raw(self) -> Path:
        """The folder of the raw files."""
        return self.folder / "raw"

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection as its owner."""
        return psycopg.connect(host="127.0.0.1", port=self.port, user="legacy", password=self.password, dbname="legacy", autocommit=True)

    def start(self) -> None:
        """Make it the first time, then start it; harmless when it runs."""
        if not (self.folder / "data" / "PG_VERSION").exists():
            self._initialise()
        if self._control("status").returncode != 0:
            if not _free(self.port):  # somebody took it while we were away
                (self.folder / "port").write_text(str(_free_port()))
            options = f"-p {self.port} -h 127.0.0.1 -k '' -c log_statement=all -c wal_level=minimal -c max_wal_senders=0"
            started = self._control("start", "-w", "-l", str(self.folder / "server.log"), "-o", options)
            if started.returncode != 0:
                sys.exit(f"demo: error: the legacy PostgreSQL did not start\n  next:    read {self.folder / 'server.log'}")
        if not (self.folder / "loaded").exists():
            self._load()

    def stop(self, *, remove: bool = True) -> None:
        """Stop it, and remove its folder."""
        if (self.folder / "data").exists():
            self._control("stop", "-m", "fast")
        if remove:
            shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def interrupt(process: subprocess.Popen[bytes]) -> None:
        """End ``legacy.py start`` in its own process group, and what it runs (a server has a session of its own and stays)."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()

    def _initialise(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "password").write_text(secrets.token_urlsafe(16))
        (self.folder / "port").write_text(str(_free_port()))
        if os.geteuid() == 0:  # PostgreSQL refuses root
            shutil.chown(self.folder, "nobody", "nogroup")
            shutil.chown(self.folder / "password", "nobody", "nogroup")
        (self.folder / "password").chmod(0o600)
        begun = self.folder / "data.begun"  # takes its name when it is complete
        command = [program("initdb"), "-D", str(begun), "-U", "legacy", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale"]
        subprocess.run([*command, f"--pwfile={self.folder / 'password'}", "--no-sync"], check=True, stdout=subprocess.DEVNULL, **self._as())
        begun.rename(self.folder / "data")

    def _load(self) -> None:
        files = raw.write(self.raw)
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="legacy", password=self.password, dbname="postgres", autocommit=True
        ) as server:
            server.execute("DROP DATABASE IF EXISTS legacy")
            server.execute("CREATE DATABASE legacy")
        with self.connect() as server, server.transaction():  # with wal_level=minimal, rows of a new table need no log
            server.execute(SCHEMA)
            for table, path in (("neighbourhoods", files.neighbourhoods), ("sales", files.sales)):
                with path.open("rb") as rows, server.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv, HEADER true)") as copy:
                    while block := rows.read(1 << 20):
                        copy.write(block)
            server.execute(KEYS)
            server.execute("ANALYZE")
        (self.folder / "loaded").touch()

    def _as(self) -> dict[str, object]:
        base: dict[str, object] = {"cwd": self.folder}
        return base | ({"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {})

    def _control(self, verb: str, *options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [program("pg_ctl"), verb, "-D", str(self.folder / "data"), *options],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as(),
        )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT does not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    found = next((port for port in range(FIRST_PORT, FIRST_PORT + 100) if _free(port)), None)
    if found is None:
        sys.exit(f"demo: error: no port from {FIRST_PORT} to {FIRST_PORT + 99} is free\n  next:    end what listens there")
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["start", "stop"])
    parser.add_argument("--quiet", action="store_true")
    arguments = parser.parse_args()
    legacy = Legacy.default()
    if arguments.verb == "stop":
        legacy.stop()
        return
    legacy.start()
    if not arguments.quiet:
        print(f"postgresql://127.0.0.1:{legacy.port}/legacy (user legacy, password in {legacy.folder / 'password'})")


if __name__ == "__main__":
    main()
