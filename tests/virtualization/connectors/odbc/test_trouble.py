"""Sources by ODBC in trouble: see ``FaultConformance``."""

from __future__ import annotations

import dataclasses
import pathlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pytest

from tests.services.mariadb import MariadbServer
from tests.services.proxy import proxy
from tests.virtualization.connectors.conformance import FaultConformance, Trouble, failed, found, read, table, until
from virtualization.catalog import Column, Credential, DataSource
from virtualization.connectors.odbc import OdbcConnector
from virtualization.errors import SourceUnreachableError
from virtualization.plan import Connector, QueryContext

pytestmark = pytest.mark.service
ID = Column("id", "bigint")


class MariadbTrouble(Trouble):
    rows = table("rows_", [ID, Column("n", "integer")])
    endless, slow = table("endless", [ID]), table("slow", [ID])

    def __init__(self, server: MariadbServer) -> None:
        self.server, self.port = server, server.port

    def behind(self, port: int, **options: str) -> Connector:
        return self._connector(port, "right", {"fetch_rows": "1000", **options})

    def stranger(self) -> Connector:
        return self._connector(self.port, "planted-secret", {})

    def _connector(self, port: int, password: str, options: dict[str, str]) -> Connector:
        location = f"odbc:Driver=MariaDB Unicode;Server=127.0.0.1;Port={port};Database=trouble"
        return OdbcConnector(DataSource("src", "odbc", location, options, Credential("troubled", password)))

    @contextmanager
    def without_right(self) -> Iterator[None]:
        self.server.run("REVOKE SELECT ON trouble.rows_ FROM troubled@'%'")
        yield
        self.server.run("GRANT SELECT ON trouble.rows_ TO troubled@'%'")

    @contextmanager
    def retyped(self) -> Iterator[None]:
        self.server.run("ALTER TABLE trouble.rows_ MODIFY n varchar(10)", "UPDATE trouble.rows_ SET n = 'abc'")
        yield
        self.server.run("UPDATE trouble.rows_ SET n = id", "ALTER TABLE trouble.rows_ MODIFY n int")

    def running(self) -> Sequence[object]:
        with self.server.connect() as session:
            found = session.execute(
                "SELECT info FROM information_schema.processlist WHERE user = 'troubled' AND command IN ('Query', 'Execute')"
            )
            return list(found.fetchall())


@pytest.fixture(scope="module")
def trouble(mariadb: MariadbServer) -> MariadbTrouble:
    mariadb.run(
        "CREATE DATABASE trouble CHARACTER SET utf8mb4",
        "CREATE TABLE trouble.rows_ (id bigint, n int)",
        "INSERT INTO trouble.rows_ VALUES (1, 1), (2, 2), (3, 3)",
        "CREATE VIEW trouble.endless AS SELECT seq AS id FROM trouble.seq_0_to_99999",
        "CREATE VIEW trouble.slow AS SELECT CAST(SLEEP(600) AS SIGNED) AS id",
        "CREATE USER troubled@'%' IDENTIFIED BY 'right'",
        *(f"GRANT SELECT ON trouble.{name} TO troubled@'%'" for name in ("rows_", "endless", "slow")),
    )
    return MariadbTrouble(mariadb)


class TestFaults(FaultConformance):
    """Gaps: see the test that is written anew."""

    def test_down_in_the_middle(self, trouble: Trouble) -> None:
        """Debian's driver holds an answer whole before its first row: the middle is while the statement runs."""
        with proxy(trouble.port) as between, closing(trouble.behind(between.port)) as made:
            batches = made.scan(trouble.slow, ["id"], []).fragment.open(QueryContext())
            until(lambda: bool(trouble.running()), "it never began")
            between.cut()
            assert type(failed(lambda: list(batches), trouble.slow.location)) is SourceUnreachableError
            batches.close()
            assert found(made, trouble.rows) == [1, 2, 3]


def test_the_server_has_no_place_left(trouble: MariadbTrouble) -> None:
    """Its own cap, not ours."""
    trouble.server.run("ALTER USER troubled@'%' WITH MAX_USER_CONNECTIONS 1")
    taken = dataclasses.replace(trouble.server, user="troubled", password="right").connect("trouble")
    try:
        with trouble.connected() as made:
            assert type(failed(made.test, "max_user_connections")) is SourceUnreachableError
    finally:
        taken.close()
        trouble.server.run("ALTER USER troubled@'%' WITH MAX_USER_CONNECTIONS 0")


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    path = tmp_path / "trouble.db"
    with closing(sqlite3.connect(path)) as made, made:
        made.execute(f"CREATE TABLE wide ({', '.join(f'c{number} INTEGER' for number in range(2000))})")
        made.execute("INSERT INTO wide (c0, c1999) VALUES (1, 2)")
        made.execute("CREATE TABLE texts (id INTEGER)")
        made.execute("INSERT INTO texts VALUES (1)")
    yield path


@pytest.fixture
def lite(file: pathlib.Path) -> Iterator[OdbcConnector]:
    with closing(OdbcConnector(DataSource("src", "odbc", f"odbc:Driver=SQLite3;Database={file}"))) as made:
        yield made


def test_two_thousand_columns(lite: OdbcConnector) -> None:
    detected = lite.detect("wide", {})
    assert len(detected.columns) == 2000
    wide = table("wide", detected.columns)
    rows = read(lite.scan(wide, [column.name for column in wide.columns], []).fragment)
    assert rows["c1999"].to_pylist() == [2]


def test_a_file_that_is_taken_away(lite: OdbcConnector, file: pathlib.Path) -> None:
    texts = table("texts", [ID])
    assert read(lite.scan(texts, ["id"], []).fragment).num_rows == 1
    file.write_bytes(b"no database")
    failed(lambda: read(lite.scan(texts, ["id"], []).fragment), "file is not a database")
