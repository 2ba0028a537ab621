"""Names with metacharacters and Unicode in every place that takes a name, and paths that try to leave where they belong (in commands:
``test_paths_of_commands.py``)."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.cluster.life import home_of
from tests.cluster.sources import address, create_postgresql_source, create_table, master_connection
from tests.controller.api.hostile import Hostile, problem, requests, send
from tests.services.cluster import Row, Stage
from tests.services.postgresql import PostgresqlServer

NAMES = [
    "a b'\"$;`%\\&|<>(){}[]*?#!~^=,.:@-",
    unicodedata.normalize("NFD", "Größe é") + " 🦆 名前",
    "Robert'); DROP TABLE students;--",
    "$(touch /tmp/bdc-names-proof) `id` %s %(x)s {0} \\x41",
]
Master = psycopg.Connection[Row]


@pytest.fixture(scope="module")
def master(cluster: Stage) -> Iterator[Master]:
    with master_connection(cluster) as connection:
        yield connection
    assert not Path("/tmp/bdc-names-proof").exists()


def quoted(*names: str) -> str:
    return sql.Identifier(*names).as_string(None)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_source_a_schema_a_table_and_a_column(
    cluster: Stage, master: Master, postgresql: PostgresqlServer, name: str
) -> None:
    with postgresql.connect() as server:
        server.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        remote = sql.Identifier(name, name)
        server.execute(sql.SQL("CREATE TABLE {} ({} integer, {} text)").format(remote, sql.Identifier(name), sql.Identifier(name + "2")))
        server.execute(sql.SQL("INSERT INTO {} VALUES (1, {}), (2, 'other')").format(remote, sql.Literal(name)))
    local = quoted(name, name)
    try:
        master.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        create_postgresql_source(master, name, postgresql, "postgres")
        master.execute("CALL bdc.import_schema(%s, %s, %s)", [name, name, name])
        wanted = sql.SQL("SELECT {} FROM {} WHERE {} = {}").format(
            sql.Identifier(name), sql.Identifier(name, name), sql.Identifier(name + "2"), sql.Literal(name)
        )
        assert master.execute(wanted).fetchall() == [(1,)]
        create_table(master, quoted(name, "second"), name, f"{quoted(name)}.{quoted(name)}")
        joined = f"SELECT count(*) FROM {local} AS a JOIN {quoted(name, 'second')} AS b USING ({quoted(name)})"
        assert master.execute(joined.encode()).fetchone() == (2,)
        listed = cluster.bdc("source", "list")
        assert isinstance(listed, list) and name in {row["name"] for row in listed}
        assert "Remote SQL" in str(cluster.bdc("sql", "explain", f"SELECT * FROM {local}", output=None))
    finally:
        master.execute("CALL bdc.drop_data_source(%s, true)", [name])
        master.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
        with postgresql.connect() as server:
            server.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


@pytest.mark.parametrize("name", ["o'brien", "jörg", unicodedata.normalize("NFD", "rené"), 'anna "x" b', "a%s{0}$x", "名前"])
def test_a_users_name_works_everywhere_or_is_refused_with_a_reason(cluster: Stage, master: Master, name: str) -> None:
    done = command(cluster, "user", "add", name, "--password-stdin", given="Some-password-1\n")
    if done.returncode != 0:
        assert done.returncode == 1 and "next:" in done.stderr and "Traceback" not in done.stderr
        return
    try:
        host, port = address(cluster, "sql-server-master")
        user = next(str(row["name"]) for row in cluster.bdc("user", "list") if str(row["name"]) != "admin")  # type: ignore[attr-defined]
        with psycopg.connect(host=host, port=port, user=user, password="Some-password-1", dbname="bdc") as client:
            assert client.execute("SELECT current_user").fetchone() == (user,)
    finally:
        cluster.bdc("user", "remove", name, "--yes", output=None)


@pytest.mark.parametrize("name", ["a b'\"$;`%&()+,=@!~", unicodedata.normalize("NFD", "é ü 🦆"), "$(touch bdc-names-proof)", "100% #1?"])
def test_any_name_is_a_file_in_hdfs_and_a_table_over_it(cluster: Stage, master: Master, tmp_path: Path, name: str) -> None:
    (tmp_path / "rows.csv").write_text("id\n1\n2\n")
    path = f"/{name}/{name}.csv"
    done = command(cluster, "hdfs", "mkdir", f"hdfs:/{name}")
    assert done.returncode == 0, done.stderr
    try:
        done = command(cluster, "hdfs", "cp", str(tmp_path / "rows.csv"), f"hdfs:{path}")
        assert done.returncode == 0, done.stderr
        assert command(cluster, "hdfs", "cat", f"hdfs:{path}").stdout == "id\n1\n2\n"
        create_table(master, "public.named_file", "hdfs", path, {"id": "integer"})
        assert master.execute("SELECT sum(id) FROM named_file").fetchone() == (3,)
    finally:
        master.execute("DROP FOREIGN TABLE IF EXISTS named_file")
        command(cluster, "hdfs", "rm", "-r", f"hdfs:/{name}")


def command(cluster: Stage, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "azdata_like_cli", *arguments],
        env=cluster.environment, capture_output=True, text=True, check=False, input=given,
    )  # fmt: skip


def test_no_argument_of_the_api_leaves_its_place(cluster: Stage) -> None:
    """The same requests as in tests/controller/api, where every touched file is watched, against a whole cluster."""
    host, port = address(cluster, "controller")
    login = Hostile("POST", "/api/v1/token", {"username": "admin", "password": cluster.password}, "login")
    token = json.loads(send(host, port, login, "")[1])["access_token"]
    document = json.loads(send(host, port, Hostile("GET", "/api/v1/openapi.json", None, "document"), token)[1])
    before = sorted(entry.name for entry in home_of(cluster).store_folder.iterdir())
    wrong = [(request, found) for request in requests(document) if (found := problem(*send(host, port, request, token)))]
    assert wrong == []
    assert sorted(entry.name for entry in home_of(cluster).store_folder.iterdir()) == before
