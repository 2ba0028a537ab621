"""TLS in front of a PostgreSQL without: libpq as the client, a real PostgreSQL behind."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from pools.master.front import Front, FrontSettings
from tests.patience import PATIENCE, eventually
from tests.services.certificates import Laid, laid
from tests.services.postgresql import PostgresqlServer


@dataclass
class Running:
    server: PostgresqlServer
    certificates: Laid
    port: int

    def connect(self, **more: str) -> psycopg.Connection[tuple[object, ...]]:
        given = {"sslmode": "verify-full", "sslrootcert": self.certificates.root, **more}
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=self.server.user, password=self.server.password, dbname="postgres", autocommit=True,
            connect_timeout=60, **given,  # type: ignore[arg-type]
        )  # fmt: skip


@pytest.fixture(scope="module")
def front(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("front")
    certificates = laid(folder)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    files = certificates.files
    socket = str(postgresql.folder / f".s.PGSQL.{postgresql.port}")
    running = Front(FrontSettings(("127.0.0.1",), 0, socket, files.certificate, files.key, str(folder / "clients")))
    port = asyncio.run_coroutine_threadsafe(running.start(), loop).result(PATIENCE)
    try:
        yield Running(postgresql, certificates, port)
    finally:
        loop.call_soon_threadsafe(running.stop)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_a_client_that_verifies_reaches_postgresql(front: Running, negotiation: str) -> None:
    with front.connect(sslnegotiation=negotiation) as connection:
        assert connection.pgconn.ssl_in_use
        row = connection.execute("SELECT sum(g), length(repeat('x', 3000000)) FROM generate_series(1, 1000) g").fetchone()
        assert row == (500500, 3000000)
        assert len(connection.execute("SELECT repeat('x', 1000) FROM generate_series(1, 20000)").fetchall()) == 20000
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE big (t text)")
            with cursor.copy("COPY big FROM STDIN") as copy:
                for _ in range(2000):
                    copy.write_row(("y" * 1000,))
            assert cursor.execute("SELECT count(*), sum(length(t)) FROM big").fetchone() == (2000, 2000000)


def test_from_where_each_process_is_reached_is_told_while_it_is(front: Running) -> None:
    folder = front.certificates.folder / "clients"
    with front.connect() as connection:
        assert (folder / str(connection.info.backend_pid)).read_text() == "127.0.0.1"
        with pytest.raises(psycopg.OperationalError):
            front.connect(options="-c no_such_setting=1")
        assert len(list(folder.iterdir())) == 1
    eventually(lambda: not list(folder.iterdir()), "the client has left")


def test_who_comes_without_tls_is_told_so(front: Running) -> None:
    with pytest.raises(psycopg.OperationalError, match="takes encrypted connections only"):
        front.connect(sslmode="disable", sslrootcert="")


def test_a_statement_can_be_cancelled_over_it(front: Running) -> None:
    with front.connect() as connection:
        timer = threading.Timer(0.5, connection.cancel_safe)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(60)")
        timer.join(PATIENCE)


def test_open_sessions_live_through_a_new_certificate(front: Running) -> None:
    with front.connect() as connection:
        before = connection.info.backend_pid
        front.certificates.lay(front.certificates.issued(("127.0.0.1", "other.example")))

        def renewed() -> bool:
            with front.connect() as new:
                return new.execute("SELECT 1").fetchone() == (1,)

        eventually(renewed, "new sessions come in")
        assert connection.execute("SELECT pg_backend_pid()").fetchone() == (before,)


def test_with_postgresql_away_the_client_sees_the_connection_end(front: Running, tmp_path: Path) -> None:
    files = front.certificates.files

    async def attempt() -> None:
        alone = Front(FrontSettings(("127.0.0.1",), 0, os.fspath(tmp_path / "none"), files.certificate, files.key))
        port = await alone.start()
        with pytest.raises(psycopg.OperationalError, match="closed"):
            await psycopg.AsyncConnection.connect(
                host="127.0.0.1", port=port, user="x", password="y", sslmode="verify-full", sslrootcert=front.certificates.root
            )
        alone.stop()

    asyncio.run(attempt())
