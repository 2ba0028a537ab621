"""Other systems that hold the same 506 rows, for step 5: what of them can be had on this machine is started, and stopped at the end."""

from __future__ import annotations

import csv
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from legacy import Legacy
from psycopg import sql

READY_MILLISECONDS = 60_000
Rows = list[dict[str, float]]


@contextmanager
def sources(folder: Path, legacy: Legacy, house: Path) -> Iterator[dict[str, str]]:
    """Variables for the notebooks: where each of them is."""
    with house.open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    with ExitStack() as stack:
        found = _postgresql(legacy, rows)
        if "SQLite3" in _drivers():
            found |= _sqlite(folder, rows)
        if _secantus().exists():
            found |= stack.enter_context(_mongodb(folder, rows))
        yield found


def _postgresql(legacy: Legacy, rows: Rows) -> dict[str, str]:
    names = list(rows[0])
    with legacy.connect() as server:
        columns = sql.SQL(", ").join(sql.SQL("{} double precision").format(sql.Identifier(name)) for name in names)
        server.execute(sql.SQL("CREATE TABLE house ({})").format(columns))
        with server.cursor().copy("COPY house FROM STDIN") as copy:
            for row in rows:
                copy.write_row([row[name] for name in names])
    return {"HOUSE_POSTGRESQL": f"postgresql://127.0.0.1:{legacy.port}/legacy", "BDC_SOURCE_PASSWORD": legacy.password}


def _drivers() -> str:
    """What unixODBC has."""
    if shutil.which("odbcinst") is None:
        return ""
    return subprocess.run(["odbcinst", "-q", "-d"], capture_output=True, text=True, check=False).stdout


def _sqlite(folder: Path, rows: Rows) -> dict[str, str]:
    place = folder / "sqlite"
    place.mkdir(mode=0o755)
    with sqlite3.connect(place / "house.db") as database:
        names = ", ".join(f'"{name}" REAL' for name in rows[0])
        database.execute(f"CREATE TABLE house ({names})")
        database.executemany(f"INSERT INTO house VALUES ({', '.join('?' * len(rows[0]))})", [tuple(row.values()) for row in rows])
    database.close()
    (place / "house.db").chmod(0o644)  # the compute pool's OS user reads it
    return {"HOUSE_ODBC": f"odbc:Driver=SQLite3;Database={place / 'house.db'}"}


def _secantus() -> Path:
    return Path(sys.executable).with_name("secantusd-py")


@contextmanager
def _mongodb(folder: Path, rows: Rows) -> Iterator[dict[str, str]]:
    """SecantusDB, on loopback."""
    from pymongo import MongoClient

    place = folder / "mongodb"
    place.mkdir()
    (place / "secantusd.toml").touch()  # else it reads the machine's
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [_secantus(), "--config", place / "secantusd.toml", "--host", "127.0.0.1", "--port", port, "--cache-size", "64M"]
    with (place / "server.log").open("wb") as log:
        process = subprocess.Popen([*map(str, command), "--storage-path", str(place / "data")], stdout=log, stderr=log, cwd=place)
    try:
        with MongoClient(f"mongodb://127.0.0.1:{port}/", serverSelectionTimeoutMS=READY_MILLISECONDS) as client:
            client["house"]["house"].insert_many([dict(row) for row in rows])
        yield {"HOUSE_MONGODB": f"mongodb://127.0.0.1:{port}/house"}
    finally:
        process.kill()
        process.wait()
