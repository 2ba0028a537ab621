"""The demo of the README: a cluster, a legacy database, a file in HDFS, and one SELECT over all three.

    scripts/demo.sh           create (or take up again) the cluster ``demo`` and show what it does; it keeps running
    scripts/demo.sh --spark   the same with Spark, which it installs first (450 MB)
    scripts/demo.sh stop      delete the cluster and stop the legacy system

Everything is done with ``bdc``, the way a user would; each command is printed before it runs. What is there already is left as it is,
so a run that was interrupted is completed by the next one.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import engineer
import raw
from console import BDC, bdc, heading, styled
from legacy import Legacy

import bdc as sdk
from bdc import contexts
from bdc.errors import BdcError
from controller.substrates.local.layout import cluster_home
from controller.substrates.local.programs import program

CLUSTER = "demo"
QUERY = Path(__file__).with_name("query.sql")
LOCK = Path(".cache/demo.lock")
USER = os.environ.get("BDC_USERNAME") or "admin"


def cluster() -> str | None:
    """Create it, or start the one that is there and log in. The admin's password when this run made it."""
    heading("A cluster on this machine")
    if not cluster_home(CLUSTER).ready_once.exists():  # create completes one that was begun
        made = json.loads(bdc("create", CLUSTER, "-o", "json", quiet=True))
        bdc("status")
        bdc("endpoint", "list")
        return made.get("password")
    bdc("start", CLUSTER)
    password = _log_in()
    bdc("status")
    bdc("endpoint", "list")
    return password


def _log_in() -> str | None:
    """Use the saved session; else BDC_PASSWORD; else give the admin a new password, as the owner of the cluster may."""
    try:
        session = contexts.load().find(CLUSTER)
        sdk.connect(CLUSTER).controller.whoami()
    except BdcError as error:
        print(f"No session at the cluster: {error.message}.")
    else:
        if contexts.load().active != session.name:
            bdc("context", "set", CLUSTER)
        return None
    if os.environ.get("BDC_PASSWORD"):
        bdc("login", CLUSTER, "--username", USER)
        return None
    found = json.loads(bdc("user", "recover-admin", CLUSTER, "--username", USER, "-o", "json", quiet=True))
    os.environ["BDC_PASSWORD"] = found["password"]
    bdc("login", CLUSTER, "--username", USER)
    del os.environ["BDC_PASSWORD"]
    return str(found["password"])


def file_in_hdfs(session: sdk.Session, house: Path) -> None:
    """house.csv becomes a virtual table with detected columns."""
    heading("A CSV file goes into HDFS and becomes a table")
    if not session.files.exists("/sandbox/house.csv"):
        bdc("hdfs", "mkdir", "hdfs:/sandbox")
        bdc("hdfs", "cp", str(house), "hdfs:/sandbox/house.csv")
    bdc("hdfs", "ls", "hdfs:/sandbox")
    if ("public", "house") not in tables(session):
        bdc("table", "create", "house", "--source", "hdfs", "--location", "/sandbox/house.csv")


def legacy_system(session: sdk.Session, legacy: Legacy) -> None:
    """The other PostgreSQL becomes a source, its schema virtual tables."""
    heading("A PostgreSQL that is not the master: its tables are imported")
    location = f"postgresql://127.0.0.1:{legacy.port}/legacy"
    known = sources(session)
    if known.get("legacy", location) != location:
        bdc("source", "drop", "legacy", "--cascade", "--yes")  # it was made anew, at another port
        known.pop("legacy")
    if "legacy" not in known:
        bdc("source", "create", "legacy", "--location", location, "--user", "legacy", "--password-stdin", secret=legacy.password + "\n")
    if ("legacy", "sales") not in tables(session):
        bdc("source", "import", "legacy", "public", "legacy", quiet=True)
    bdc("source", "test", "legacy")
    bdc("table", "list")


def sources(session: sdk.Session) -> dict[str, str]:
    """Name → location."""
    return dict(session.sql("SELECT name, location FROM bdc.data_sources"))


def tables(session: sdk.Session) -> set[tuple[str, str]]:
    """Schema and name of each virtual table."""
    return set(session.sql("SELECT schema_name, table_name FROM bdc.virtual_tables"))


def local_table() -> None:
    """Tax rates, in the master itself."""
    heading("A local table of the master")
    rates = ", ".join(f"({key}, {rate})" for key, (_, rate) in raw.NEIGHBOURHOODS.items())
    bdc(
        "sql",
        "query",
        "CREATE TABLE IF NOT EXISTS tax_rates (id integer PRIMARY KEY, rate numeric(5,4) NOT NULL);\n"
        f"INSERT INTO tax_rates VALUES {rates}\nON CONFLICT (id) DO UPDATE SET rate = excluded.rate",
    )


def data_pool_table(session: sdk.Session) -> None:
    """The file's rows once more, spread over the shards by a column of many values. Loading it again replaces what was there."""
    heading("A table of the data pool: its rows lie spread over shards")
    if ("public", "house_dp") not in tables(session):
        bdc("data", "create", "house_dp", "--like", "house", "--distribution", 'HASH("LSTAT")', quiet=True)
    bdc("data", "import", "hdfs:/sandbox/house.csv", "house_dp", "--mode", "overwrite")
    counted = session.sql("SELECT (SELECT count(*) FROM house), (SELECT count(*) FROM house_dp)").fetchall()
    per_shard = engineer.rows_per_shard("house_dp", wanted=506)
    bdc("data", "stats", "house_dp")
    if counted != [(sum(per_shard),) * 2] or 0 in per_shard:
        sys.exit(f"demo: error: house and house_dp should hold the same rows, on every shard: {counted}, {per_shard}")
    print(f"Checked: {sum(per_shard)} rows in the file and in the table, {' + '.join(map(str, per_shard))} on the shards.")


def expected(legacy: Legacy) -> list[tuple[object, ...]]:
    """The same question to plain DuckDB over the raw files."""
    import duckdb

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


def main_query(session: sdk.Session, legacy: Legacy) -> None:
    """One SELECT over file, remote database and local table; checked against plain DuckDB."""
    heading("One SELECT over all three")
    print(QUERY.read_text())
    bdc("sql", "query", "--file", str(QUERY))
    got, wanted = session.sql(QUERY.read_text()).fetchall(), expected(legacy)
    if normal(got) != normal(wanted):
        sys.exit(f"demo: error: the answer differs from plain DuckDB's over the raw files:\n{got}\n{wanted}")
    print("Checked: plain DuckDB over the raw files gives the same answer.")
    heading("Who did what")
    bdc("sql", "explain", "--file", str(QUERY))


def farewell(password: str | None) -> None:
    """How to go on: psql with its command line and where the password is, the shell, the end."""
    heading("The cluster keeps running")
    session = contexts.load().find(CLUSTER)
    address = session.endpoints["sql-server-master"].replace("postgresql://", f"postgresql://{USER}@")
    psql = "psql" if shutil.which("psql") else shlex.quote(program("psql"))
    home = "".join(f"{name}={shlex.quote(os.environ[name])} " for name in ("BDC_HOME", "BDC_CONFIG") if name in os.environ)
    command = f"{home}{Path(BDC).relative_to(Path.cwd())}"
    secret = password or ("the one in BDC_PASSWORD" if "BDC_PASSWORD" in os.environ else "as shown when the cluster was created")
    forgotten = "" if password else f" (forgotten? {command} user recover-admin {CLUSTER})"
    print(f"""
  {styled(f"{psql} {address}", "1")}
      any PostgreSQL client; password: {styled(secret, "1")}{forgotten}
      try:  \\d house     SELECT avg("MEDV") FROM house;     SELECT count(*) FROM legacy.sales;

  {styled(f"{command} sql shell", "1")}              the same without a password, as you are logged in
  {styled(f"{command} status --all", "1")}           every process of the cluster
  {styled(f"{command} --help", "1")}                 all else: users, sources, tables, HDFS
  {styled("scripts/demo.sh stop", "1")}                delete the cluster, stop the legacy system, leave nothing""")


def stop() -> None:
    """Leave nothing."""
    if cluster_home(CLUSTER).path.exists():
        bdc("delete", CLUSTER, "--yes")
    Legacy.default().stop()
    print("The legacy system is gone.")


@contextmanager
def alone() -> Iterator[None]:
    """One demo at a time in this checkout."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("demo: error: another run of the demo is under way in this checkout\n  next:    wait for it, or end it")
        yield


@contextmanager
def beside(legacy: Legacy) -> Iterator[subprocess.Popen[bytes]]:
    """The legacy system is made while the cluster comes up. In a process group of its own: Ctrl-C is for the foreground."""
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("legacy.py")), "start", "--quiet"], start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            legacy.interrupt(process)


def run() -> None:
    """All of it."""
    legacy, spark = Legacy.default(), engineer.python()
    if spark is not None:  # clusters learn it when they are created or started
        os.environ[engineer.VARIABLE] = spark
    with beside(legacy) as making:
        password = cluster()
        if making.wait():
            sys.exit(making.returncode)
    with sdk.connect(CLUSTER) as session:
        file_in_hdfs(session, legacy.raw / "house.csv")
        legacy_system(session, legacy)
        local_table()
        main_query(session, legacy)
        data_pool_table(session)
    engineer.spark_step()
    farewell(password)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", nargs="?", default="run", choices=["run", "stop"])
    verb = parser.parse_args().verb
    try:
        with alone():
            stop() if verb == "stop" else run()
    except BdcError as error:
        sys.exit(f"demo: error: {error.message}\n  next:    {error.hint or 'run it again'}")
    except KeyboardInterrupt:
        print("\ndemo: interrupted. scripts/demo.sh goes on from here; scripts/demo.sh stop removes everything.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
