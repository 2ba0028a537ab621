"""``bulkwrite``: TPC-H orders and lineitem from Spark into two shards, beside Spark's JDBC into a logged PostgreSQL table with a primary
key, a COPY per partition, and Spark's own Parquet on the cluster's HDFS; all in one Spark application, in shuffled order."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report import Figure, Report, median
from benchmarks.tpch import tables
from controller.substrates.local.programs import artifacts
from pools.storage.spark_launch import FAST
from tests.services import cluster as stage
from tests.services.postgresql import PostgresqlServer, postgresql_server
from tests.services.spark import spark_environment

ROWS = {"orders": 1_500_000, "lineitem": 6_001_215}
WRITERS = ("pool", "jdbc", "jdbc_rewrite", "copy", "parquet")
DRIVER = ("org.postgresql", "postgresql", "42.7.8")
JOB = Path(__file__).parent / "spark_jobs" / "bulkwrite.py"
RUN_SECONDS = 900
"""A round of all writers may take so long; minutes on a quiet machine with two cores (JDBC alone inserts 7.5 M rows twice)."""

PEERS = {
    "orders": """CREATE TABLE orders (o_orderkey bigint PRIMARY KEY, o_custkey bigint, o_orderstatus varchar(1), o_totalprice numeric(15,2),
        o_orderdate date, o_orderpriority varchar(15), o_clerk varchar(15), o_shippriority integer, o_comment varchar(79))""",
    "lineitem": """CREATE TABLE lineitem (l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber bigint,
        l_quantity numeric(15,2), l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag varchar(1),
        l_linestatus varchar(1), l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct varchar(25), l_shipmode varchar(10),
        l_comment varchar(44), PRIMARY KEY (l_orderkey, l_linenumber))""",
}
KEYS = {"orders": "o_orderkey", "lineitem": "l_orderkey"}
Measured = tuple[dict[str, dict[str, list[float]]], dict[str, list[float]]]


def jdbc_driver() -> Path:
    """PostgreSQL's JDBC driver from Maven's central repository, kept with the other jars."""
    from jgo.maven import MavenContext

    group, artifact, version = DRIVER
    path = artifacts() / "benchmarks" / f"{artifact}-{version}.jar"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        context = MavenContext(repo_cache=path.parent / "maven", timeout=120)
        path.write_bytes(Path(context.project(group, artifact).at_version(version).artifact().resolve()).read_bytes())
    return path


def _peer(server: PostgresqlServer) -> dict[str, str]:
    with server.connect() as session:
        for definition in PEERS.values():
            session.execute(definition.encode())
    return {
        "url": f"jdbc:postgresql://127.0.0.1:{server.port}/postgres",
        "libpq": f"host=127.0.0.1 port={server.port} dbname=postgres",
        "user": server.user,
        "password": server.password,
        "jar": str(jdbc_driver()),
    }


def measure(rounds: int, writers: tuple[str, ...] = WRITERS, names: tuple[str, ...] = tuple(ROWS)) -> Measured:
    """Seconds per table and writer, and how long each left the machine busy after it; the pool's row counts are compared with what was
    written. ``rounds`` 0: only the round that warms up, which shows that every writer works."""
    files = tables(1, *names)
    with stage.cluster() as place, postgresql_server("fsync=on", "max_wal_size=4GB") as server, spark_environment(" ".join(FAST)) as spark:
        host, _, port = place.endpoint("sql-server-master").rpartition("//")[2].partition("/")[0].partition(":")
        given: dict[str, object] = {
            "parquet": {name: str(path) for name, path in files.items()},
            "login": {"host": host, "port": port, "user": "admin", "password": place.password},
            "jdbc": _peer(server),
            "hdfs": f"{place.endpoint('hdfs').rstrip('/')}/bench",
            "rounds": rounds,
            "writers": list(writers),
        }
        place.bdc("hdfs", "mkdir", "hdfs:/bench", output=None)
        place.bdc("hdfs", "chmod", "777", "hdfs:/bench", output=None)
        with place.sql() as session:
            for name in names:
                _create(session, name, KEYS[name], files[name])
            result, _ = spark.run(JOB, given, seconds=RUN_SECONDS * (rounds + 1))
            for name in names if "pool" in writers else ():
                rows = ROWS[name]
                counted = session.execute(f"SELECT count(*) FROM bulk_{name}".encode()).fetchone()
                if counted != (rows * (rounds + 1),):
                    raise RuntimeError(f"bulk_{name} holds {counted} rows instead of {rows} × {rounds + 1}")
    return result["seconds"], result["waited"]  # type: ignore[return-value]


def _create(session: object, name: str, key: str, file: Path) -> None:
    import json

    import pyarrow.parquet as pq

    schema = pq.read_schema(file)
    types = {"int64": "bigint", "int32": "integer", "date32[day]": "date", "string": "text"}
    columns = [
        {"name": field.name, "type": types.get(str(field.type)) or f"numeric({field.type.precision},{field.type.scale})"}
        for field in schema
    ]
    session.execute("CALL bdc.create_data_table(%s, %s::jsonb, %s)", [f"bulk_{name}", json.dumps(columns), f"HASH({key})"])  # type: ignore[attr-defined]


def run(rounds: int | None) -> Report:
    """Rates over both tables: all rows ÷ the sum of the tables' medians."""
    spent, waited = measure(rounds or 3)
    rate = {name: sum(ROWS.values()) / sum(median(spent[table][name]) for table in ROWS) for name in WRITERS}
    by_table = [
        f"{table}: " + ", ".join(f"{name} {ROWS[table] / median(values) / 1000:,.0f} k rows/s" for name, values in spent[table].items())
        for table in ROWS
    ]
    by_table.append("busy after a write: " + ", ".join(f"{name} {median(values):.1f} s" for name, values in waited.items()))
    figures = (
        Figure("rows_per_s", rate["pool"], "rows/s", ">= 800000"),
        Figure("vs_jdbc", rate["pool"] / rate["jdbc"], "ratio", ">= 4.5", "our rate ÷ JDBC's (default)"),
        Figure("vs_jdbc_rewrite", rate["pool"] / rate["jdbc_rewrite"], "ratio", None, "with reWriteBatchedInserts"),
        Figure("vs_copy", rate["pool"] / rate["copy"], "ratio", None, "a COPY per partition, not atomic"),
        Figure("vs_parquet", rate["pool"] / rate["parquet"], "ratio", ">= 0.55", "our rate ÷ Spark's Parquet on HDFS"),
    )
    return Report("bulkwrite", figures, tuple(by_table), {"rounds": rounds or 3, "seconds": spent, "waited": waited})
