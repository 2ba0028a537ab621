"""The demo of the README: a cluster, a legacy database, a file in HDFS, and one SELECT over all three.

    scripts/demo.sh           create (or take up again) the cluster ``demo`` and show what it does; it keeps running
    scripts/demo.sh stop      delete the cluster and stop the legacy system

Everything is done with ``bdc``, the way a user would; each command is printed before it runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import raw
from legacy import Legacy

CLUSTER = "demo"
QUERY = Path(__file__).with_name("query.sql")
BDC = str(Path(sys.executable).with_name("bdc"))


def say(text: str) -> None:
    """A heading."""
    print(f"\n== {text}", flush=True)


def run(*arguments: str, secret: str | None = None, quiet: bool = False, check: bool = True) -> str:
    """Print and run a ``bdc`` command; its standard output. ``secret``: what it reads from standard input. Ends the demo when it fails."""
    print(f"$ bdc {shlex.join(arguments)}", flush=True)
    done = subprocess.run(
        [BDC, *arguments], input=secret, stdin=None if secret else subprocess.DEVNULL, text=True, stdout=subprocess.PIPE, check=False
    )
    if done.returncode and check:
        sys.exit(done.returncode)
    if not quiet:
        print(done.stdout, end="", flush=True)
    return done.stdout


def exists(*arguments: str) -> bool:
    """Does a ``describe``-like command find its object?"""
    return subprocess.run([BDC, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def cluster() -> None:
    """Create it, or start the one that is there. The first admin's password is shown once by ``bdc create``."""
    say("A cluster on this machine")
    listed = json.loads(subprocess.run([BDC, "list", "-o", "json"], capture_output=True, text=True, check=True).stdout or "[]")
    if any(row["name"] == CLUSTER for row in listed) and exists("context", "set", CLUSTER) and exists("whoami"):
        run("start", CLUSTER)
    else:
        run("create", CLUSTER)
    run("status")
    run("endpoint", "list")


def file_in_hdfs(house: Path) -> None:
    """house.csv becomes a virtual table with detected columns."""
    say("A CSV file goes into HDFS and becomes a table")
    if not exists("hdfs", "exists", "hdfs:/sandbox/house.csv"):
        run("hdfs", "mkdir", "hdfs:/sandbox")
        run("hdfs", "cp", str(house), "hdfs:/sandbox/house.csv")
    run("hdfs", "ls", "hdfs:/sandbox")
    if not exists("source", "describe", "hdfs"):
        run("source", "create", "hdfs", "--connector", "hdfs")
    if not exists("table", "describe", "house"):
        run("table", "create", "house", "--source", "hdfs", "--location", "/sandbox/house.csv")


def legacy_system(legacy: Legacy) -> None:
    """The other PostgreSQL becomes a source, its schema virtual tables."""
    say("A PostgreSQL that is not the master: its tables are imported")
    location = f"postgresql://127.0.0.1:{legacy.port}/legacy"
    if not exists("source", "describe", "legacy"):
        run("source", "create", "legacy", "--location", location, "--user", "legacy", "--password-stdin", secret=legacy.password + "\n")
        run("source", "import", "legacy", "public", "legacy")
    run("table", "list")


def local_table() -> None:
    """Tax rates, in the master itself."""
    say("A local table of the master")
    rates = ", ".join(f"({key}, {rate})" for key, (_, rate) in raw.NEIGHBOURHOODS.items())
    run("sql", "query", "CREATE TABLE IF NOT EXISTS tax_rates (id integer PRIMARY KEY, rate numeric(5,4) NOT NULL)")
    run("sql", "query", f"INSERT INTO tax_rates VALUES {rates} ON CONFLICT (id) DO UPDATE SET rate = excluded.rate")


def expected(legacy: Legacy) -> list[tuple[object, ...]]:
    """The same question to plain DuckDB over the raw files."""
    rates = ", ".join(f"({key}, {rate}::DECIMAL(5,4))" for key, (_, rate) in raw.NEIGHBOURHOODS.items())
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA legacy")
    connection.execute(f"CREATE VIEW house AS FROM read_csv('{legacy.raw / 'house.csv'}', types={{'MEDV': 'DECIMAL(10,1)'}})")
    connection.execute(f"CREATE VIEW legacy.neighbourhoods AS FROM read_csv('{legacy.raw / 'neighbourhoods.csv'}')")
    connection.execute(f"CREATE VIEW legacy.sales AS FROM read_csv('{legacy.raw / 'sales.csv'}', types={{'price': 'DECIMAL(12,2)'}})")
    connection.execute(f"CREATE TABLE tax_rates AS SELECT * FROM (VALUES {rates}) AS t(id, rate)")
    return connection.execute(QUERY.read_text()).fetchall()


def normal(rows: list[tuple[object, ...]]) -> list[tuple[str, ...]]:
    """Numbers to the cent, so that DuckDB's double averages compare with exact numerics."""
    return [tuple(value if isinstance(value, str) else f"{Decimal(str(value)):.2f}" for value in row) for row in rows]


def main_query(legacy: Legacy) -> None:
    """One SELECT over file, remote database and local table; checked against plain DuckDB."""
    say("One SELECT over all three")
    print(QUERY.read_text())
    run("sql", "query", "--file", str(QUERY))
    got = json.loads(run("sql", "query", "--file", str(QUERY), "-o", "json", quiet=True))
    if normal([tuple(row.values()) for row in got]) != normal(expected(legacy)):
        sys.exit(f"demo: the answer differs from plain DuckDB's over the raw files:\n{got}\n{expected(legacy)}")
    print("The same question to plain DuckDB over the raw files gives the same answer.")
    say("Who did what")
    run("sql", "explain", "--file", str(QUERY))


def stop() -> None:
    """Leave nothing."""
    run("delete", CLUSTER, "--yes", check=False)
    Legacy.default().stop()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", nargs="?", default="run", choices=["run", "stop"])
    if parser.parse_args().verb == "stop":
        stop()
        return
    legacy = Legacy.default()
    cluster()
    legacy.start()
    file_in_hdfs(legacy.raw / "house.csv")
    legacy_system(legacy)
    local_table()
    main_query(legacy)
    home = f"BDC_HOME={os.environ['BDC_HOME']} " if "BDC_HOME" in os.environ else ""
    say("The cluster keeps running")
    print(f"  {home}.venv/bin/bdc sql shell       # ask it something; .venv/bin/bdc --help shows the rest")
    print("  scripts/demo.sh stop           # delete it, and stop the legacy system")


if __name__ == "__main__":
    main()
