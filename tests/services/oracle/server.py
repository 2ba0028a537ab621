"""The stand-in as a service of the tests: a thread, loopback only, a random port; logs each statement, misbehaves on request."""

from __future__ import annotations

import socketserver
import ssl
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.services.oracle.database import Database
from tests.services.oracle.dialect import OracleError
from tests.services.oracle.protocol import Session
from tests.services.postgresql import PostgresqlServer
from virtualization.catalog import Credential, DataSource


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True
    stand_in: StandIn
    context: ssl.SSLContext | None = None

    def get_request(self) -> Any:
        """With TLS from the first byte on, where there is a context."""
        connection, address = super().get_request()
        if self.context is None:
            return connection, address
        return self.context.wrap_socket(connection, server_side=True), address

    def handle_error(self, request: object, client_address: object) -> None:
        """A defect of the stand-in itself: tests look at ``defects``. (A client that broke off is no news, see ``Session.handle``.)"""
        self.stand_in.defects.append(traceback.format_exc())


@dataclass
class StandIn:
    """What tests see of it."""

    database: Database
    port: int = 0
    user: str = "scott"
    password: str = "Tiger-1234"
    service: str = "standin"
    version: str = "12.1.0.2.0"
    statements: list[str] = field(default_factory=list)
    """Each one as it arrived."""

    logins: list[tuple[str, str]] = field(default_factory=list)
    """(user, client of a proxy login)"""

    actions: list[str] = field(default_factory=list)
    delay: float = 0.0
    """Seconds before each answer to a statement or fetch."""

    sleepers: set[str] = field(default_factory=set)
    """Tables whose SELECT takes ten minutes."""

    waiting: list[str] = field(default_factory=list)
    """Statements over them, while they run."""

    spoiled: tuple[bytes, bytes] = (b"\0never\0", b"")
    """What is sent in the place of which bytes of rows, as long."""

    breaks: int = 0
    dropping: bool = False
    """Close the connection instead of the next answer."""

    errors: dict[str, OracleError] = field(default_factory=dict)
    """Part of a statement -> what it is answered."""

    defects: list[str] = field(default_factory=list)
    login_error: OracleError | None = None
    unknown_clients: set[str] = field(default_factory=set)

    def source(self, **options: str) -> DataSource:
        """As a data source names it."""
        location = f"oracle://127.0.0.1:{self.port}/{self.service}"
        return DataSource("src", "oracle", location, {"connect_timeout": "60", **options}, Credential(self.user, self.password))

    def misbehave(self, sql: str) -> None:
        """The error that the tests want for a statement."""
        for part, refused in self.errors.items():
            if part in sql:
                raise refused

    def refusal(self, client: str) -> OracleError | None:
        """Of a login with the right password."""
        if client and client in self.unknown_clients:
            return OracleError(28150, "proxy not authorized to connect as client")
        return self.login_error

    def selects(self) -> list[str]:
        """The statements over tables of the tests, without session and dictionary."""
        return [sql for sql in self.statements if '"SHOP"' in sql]


@contextmanager
def listening(stand_in: StandIn, context: ssl.SSLContext | None = None) -> Iterator[StandIn]:
    """Serve for the block."""
    with _Listener(("127.0.0.1", 0), Session) as listener:
        listener.stand_in, listener.context = stand_in, context
        stand_in.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield stand_in
        finally:
            listener.shutdown()
            thread.join()


@contextmanager
def oracle_stand_in(postgresql: PostgresqlServer, database: str) -> Iterator[StandIn]:
    """One over a new database of ``postgresql``."""
    with postgresql.connect() as server:
        server.execute(f"CREATE DATABASE {database} TEMPLATE template0".encode())
    behind = Database(postgresql.dsn(database))
    try:
        with listening(StandIn(behind)) as made:
            yield made
    finally:
        behind.close()
