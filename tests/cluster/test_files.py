"""Bad files in HDFS through SQL on the master: one error that names the file and what to do, and the next query works."""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator

import hdfs_native
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cluster.sources import create_source, create_table, eventually, master_connection
from tests.patience import PATIENCE
from tests.services.cluster import Row, Stage
from virtualization.connectors.hdfs.identity import acting_as

Master = psycopg.Connection[Row]
PARTS = 8
THREADS = 64
"""Closing a file is waiting, some 0.4 s."""


@pytest.fixture(scope="module")
def folder(cluster: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A folder of HDFS with all the files of this module."""
    local = tmp_path_factory.mktemp("files") / "bad"
    local.mkdir()
    _write(local)
    cluster.bdc("hdfs", "cp", "-r", str(local), "hdfs:/bad", output=None)
    cluster.bdc("hdfs", "mkdir", "hdfs:/bad/empty", output=None)
    yield "/bad"
    cluster.bdc("hdfs", "rm", "-r", "hdfs:/bad", output=None)


def _write(local: pathlib.Path) -> None:
    (local / "good.csv").write_text("id,name\n1,a\n2,b\n")
    (local / "ragged.csv").write_text("id,name\n1,a\n2,b,c\n3\n")
    (local / "quoted.csv").write_text('id,name\n1,"a\n2,b\n3,"c"x\n')
    (local / "latin.csv").write_bytes("id,name\n1,Müller\n".encode("latin-1"))
    (local / "replaced.csv").write_text("id,name\n" + "".join(f"{i},old\n" for i in range(400_000)))
    disagreeing = local / "disagreeing"
    disagreeing.mkdir()
    pq.write_table(pa.table({"id": [1, 2], "name": ["a", "b"]}), disagreeing / "1.parquet")
    pq.write_table(pa.table({"id": ["x", "y"], "name": ["a", "b"]}), disagreeing / "2.parquet")
    (local / "broken.parquet").write_bytes(b"PAR1 this is none PAR1")


def _write_many(location: str, folder: str, count: int) -> None:
    """By HDFS's own protocol: ``bdc hdfs cp`` looks, writes, compares and renames, which for so many takes half a minute."""
    options = hdfs_native.WriteOptions(replication=1, create_parent=True)
    with acting_as("admin", 60):
        client = hdfs_native.Client(location)

        def write(number: int) -> None:
            with client.create(f"{folder}/part{number % PARTS}/{number:04}.csv", options) as file:
                file.write(f"id,name\n{number},n{number}\n".encode())

        with concurrent.futures.ThreadPoolExecutor(THREADS) as uploads:
            list(uploads.map(write, range(count)))


@pytest.fixture(scope="module")
def master(cluster: Stage, folder: str) -> Iterator[Master]:
    with master_connection(cluster) as connection:
        connection.execute("CREATE SCHEMA files")
        create_source(connection, "files", cluster.endpoint("hdfs"))
        create_table(connection, "files.good", "files", f"{folder}/good.csv")
        yield connection
        connection.execute("DROP SCHEMA files CASCADE")
        connection.execute("CALL bdc.drop_data_source('files', true)")


@pytest.fixture(autouse=True)
def nothing_else_broke(master: Master) -> Iterator[None]:
    yield
    assert master.execute("SELECT * FROM files.good ORDER BY id").fetchall() == [(1, "a"), (2, "b")]


def fault(master: Master, statement: str) -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.Error) as caught:
        master.execute(statement.encode()).fetchall()
    return caught.value.diag


COLUMNS = {"id": "integer", "name": "text"}


def test_a_missing_file_is_named_at_creation_and_at_the_query(master: Master, folder: str) -> None:
    found = fault(master, f"CALL bdc.create_virtual_table('files.gone', 'files', '{folder}/gone.csv')")
    assert found.sqlstate == "HV00R" and "gone.csv" in str(found.message_primary) and found.message_hint
    create_table(master, "files.gone", "files", f"{folder}/gone.csv", COLUMNS)
    found = fault(master, "SELECT * FROM files.gone")
    assert found.sqlstate == "HV00R" and "gone.csv" in str(found.message_primary) and found.message_hint


@pytest.mark.parametrize("name", ["ragged", "quoted"])
def test_a_csv_file_that_breaks_the_rules_is_named_with_its_line(master: Master, folder: str, name: str) -> None:
    create_table(master, f"files.{name}", "files", f"{folder}/{name}.csv", COLUMNS)
    found = fault(master, f"SELECT * FROM files.{name}")
    assert found.sqlstate == "22000"
    assert f"{name}.csv" in f"{found.message_primary} {found.message_detail}"
    assert "line" in f"{found.message_primary} {found.message_detail}".lower() and found.message_hint


def test_a_wrong_encoding_is_told_and_the_option_heals(master: Master, folder: str) -> None:
    create_table(master, "files.latin", "files", f"{folder}/latin.csv", COLUMNS)
    found = fault(master, "SELECT * FROM files.latin")
    assert found.sqlstate == "22000"
    assert "latin.csv" in str(found.message_primary) and "encoding" in f"{found.message_primary} {found.message_hint}".lower()
    create_table(master, "files.right", "files", f"{folder}/latin.csv", COLUMNS, encoding="latin-1")
    assert master.execute("SELECT name FROM files.right").fetchall() == [("Müller",)]


def test_parquet_files_that_disagree_are_named(master: Master, folder: str) -> None:
    create_table(master, "files.disagreeing", "files", f"{folder}/disagreeing", {"id": "bigint", "name": "text"}, format="parquet")
    found = fault(master, "SELECT * FROM files.disagreeing")
    assert found.sqlstate in ("HV00R", "22000")
    assert "2.parquet" in str(found.message_primary) and "id" in str(found.message_primary) and found.message_hint


def test_a_broken_parquet_file_is_named(master: Master, folder: str) -> None:
    found = fault(master, f"CALL bdc.create_virtual_table('files.broken', 'files', '{folder}/broken.parquet')")
    assert found.sqlstate == "22000" and "broken.parquet" in str(found.message_primary)


def test_an_empty_folder_has_no_columns_to_detect_and_no_rows(master: Master, folder: str) -> None:
    found = fault(master, f"CALL bdc.create_virtual_table('files.empty', 'files', '{folder}/empty')")
    assert found.sqlstate == "HV00R" and "/empty" in str(found.message_primary) and found.message_hint
    create_table(master, "files.empty", "files", f"{folder}/empty", COLUMNS, format="csv")
    assert master.execute("SELECT * FROM files.empty").fetchall() == []


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.full)])
def test_many_files_are_one_table(cluster: Stage, master: Master, folder: str, count: int) -> None:
    _write_many(cluster.endpoint("hdfs"), f"{folder}/many{count}", count)
    create_table(master, f"files.many{count}", "files", f"{folder}/many{count}")
    found = master.execute(f"SELECT count(*), sum(id), count(DISTINCT name) FROM files.many{count}".encode()).fetchone()
    assert found == (count, count * (count - 1) // 2, count)


def test_a_file_that_is_replaced_during_the_query_is_never_half_old_half_new(
    cluster: Stage, master: Master, folder: str, tmp_path: pathlib.Path
) -> None:
    create_table(master, "files.replaced", "files", f"{folder}/replaced.csv", COLUMNS)
    (tmp_path / "new.csv").write_text("id,name\n" + "".join(f"{i},new\n" for i in range(300_000)))
    stop = threading.Event()
    seen: list[tuple[object, ...]] = []
    errors: list[psycopg.errors.Diagnostic] = []

    def read() -> None:
        with master_connection(cluster) as client:
            while not stop.is_set():
                try:
                    seen.extend(client.execute("SELECT name, count(*) FROM files.replaced GROUP BY name").fetchall())
                except psycopg.Error as error:
                    errors.append(error.diag)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert eventually(lambda: seen, PATIENCE)[0]
        cluster.bdc("hdfs", "cp", "--force", str(tmp_path / "new.csv"), f"hdfs:{folder}/replaced.csv", output=None)
        assert eventually(lambda: ("new", 300_000) in seen, PATIENCE)[0]
    finally:
        stop.set()
        reader.join(PATIENCE)
    assert set(seen) == {("old", 400_000), ("new", 300_000)}
    assert all("replaced.csv" in str(error.message_primary) for error in errors)


def test_the_command_line_tells_the_same_without_noise(cluster: Stage, master: Master, folder: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "azdata_like_cli", "table", "create", "files.x", "--source", "files", "--location", f"{folder}/gone.csv"],
        env=cluster.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1  # what the user can change, not a service that fails
    assert "why:" not in done.stderr
    assert "gone.csv" in done.stderr and "PL/pgSQL" not in done.stderr and "CONTEXT" not in done.stderr
    assert "next:" in done.stderr and not json.dumps(done.stdout).count("Traceback")
