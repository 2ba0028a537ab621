"""Reading a table of the data pool from where its rows lie: each shard streams its own part as Arrow, to as many tasks at once.

What is planned lives as long as the DataFrame (Spark plans a Python source once and reads it again and again), tickets live minutes:
so a task asks for its ticket itself when it starts. All tasks of one query name the same pin, and see one state of the table.
"""

from __future__ import annotations

import base64
import json
import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from pyspark_bdc.addresses import Address
from pyspark_bdc.arriving import converted
from pyspark_bdc.columns import Column, decimal_size
from pyspark_bdc.coordinator import Login, connect, refused
from pyspark_bdc.errors import ReadError, UnreachableError, WriteError
from pyspark_bdc.load import Shard
from pyspark_bdc.logins import logged_in, password_of
from pyspark_bdc.options import Options
from pyspark_bdc.sending import reachable

log = logging.getLogger(__name__)

_LOGIN_ENDED = "28"
"""The class of all errors of logins."""

_TOO_OLD = "72000"


@dataclass(frozen=True)
class ShardTable:
    """A table whose rows are fetched from the shards; travels to the tasks, with the login."""

    address: Address
    login: Login
    table: str
    """Quoted, with its schema."""
    columns: tuple[Column, ...]
    relay: str = "auto"
    reader: str = field(default_factory=lambda: secrets.token_hex(8))
    """Tells this read's pins from all others."""

    def numbers(self, where: Sequence[str]) -> list[int]:
        """The shards to ask; none where the shards can't answer this alone, and the master has to be asked."""
        _, answer = self._answered(self._body(where))
        if not answer["parts"] or not self._carried(answer["schema"]):
            return []
        return sorted(part["shard"] for part in answer["parts"])

    def stream(self, number: int, where: Sequence[str], query: str) -> Iterator[pa.RecordBatch]:
        """One shard's rows. ``query``: what all tasks have in common that are to see the same state. ReadError."""
        part, login = self._part(number, where, query)
        with _said(part.location):
            relayed = self.relay == "always" or (self.relay == "auto" and not reachable(part))
            location = login.location if relayed else part.location
            with connect(location) as client:
                reader = _opened(client, part, login if relayed else None)
                finished = False
                try:
                    yield from (converted(self.columns, chunk.data) for chunk in reader if chunk.data is not None)
                    finished = True
                finally:
                    if not finished:  # Spark wanted no more, or a value could not be given: the shard should not go on
                        reader.cancel()

    def _part(self, number: int, where: Sequence[str], query: str) -> tuple[Shard, Login]:
        login, answer = self._answered(self._body(where) | {"pin": f"{self.reader}/{query}"})
        for part in answer["parts"]:
            if part["shard"] == number:
                return Shard(number, part["address"], part["ticket"]), login
        raise ReadError(f"shard {number} of {self.table} has no part in it any more", "the table was changed: load it again")

    def _answered(self, body: dict[str, Any]) -> tuple[Login, dict[str, Any]]:
        """A DataFrame may live longer than its login (12 hours): then there is a new one."""
        try:
            return self.login, self.login.ask("read", body)
        except WriteError as error:
            if not (error.sqlstate or "").startswith(_LOGIN_ENDED):
                raise ReadError(error.message, error.hint) from None
        login = logged_in(self.address, self.login.location)
        try:
            return login, login.ask("read", body)
        except WriteError as error:
            raise ReadError(error.message, error.hint) from None

    def _body(self, where: Sequence[str]) -> dict[str, Any]:
        body: dict[str, Any] = {"table": self.table, "columns": [column.name for column in self.columns]}
        return body | {"where": " AND ".join(where)} if where else body

    def _carried(self, encoded: str) -> bool:
        """Can each column be made of what the shards send, exactly as of what the master sends?"""
        arriving = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(encoded)))
        return all(_exact(column, arrow) for column, arrow in zip(self.columns, arriving.types, strict=True))


def shard_table(options: Options, columns: tuple[Column, ...]) -> ShardTable | None:
    """The table that the options name, if it is one of the data pool and may be read from the shards; None: by SQL."""
    if options.read_from == "sql" or not columns:
        return None
    from pyspark_bdc import session  # the driver asks this; tasks, which import this module too, are spared the database driver

    table = None if options.is_query else session.data_table(options)
    if table is None:
        if options.read_from == "shards":
            raise ReadError("only a table of the data pool can be read from shards", "leave the option readFrom away")
        return None
    if password_of(options.address) is None and options.read_from == "auto":
        return None  # a password file is for libpq alone
    try:
        login = logged_in(options.address, options.flight)
    except UnreachableError as error:
        if options.read_from == "shards":
            raise
        log.warning("%s is read through the master: %s", table, error)
        return None
    return ShardTable(options.address, login, table, columns, options.relay)


def _exact(column: Column, arriving: pa.DataType) -> bool:
    if decimal_size(column.spark):
        return pa.types.is_decimal(arriving) or pa.types.is_string(arriving)
    return arriving.equals(column.arrow)


def _opened(client: flight.FlightClient, part: Shard, relay: Login | None) -> flight.FlightStreamReader:
    if relay is None:
        return client.do_get(flight.Ticket(part.ticket.encode()))
    command = json.dumps({"ticket": part.ticket, "shard": part.number})
    return client.do_get(flight.Ticket(command.encode()), relay.stream())


@contextmanager
def _said(location: str) -> Iterator[None]:
    try:
        yield
    except (flight.FlightError, pa.ArrowException, OSError) as error:
        said = refused(error, location)
        if isinstance(said, UnreachableError):
            raise said from None
        hint = "the read took longer than the shards keep old rows: ask again, or give Spark more cores"
        old = isinstance(said, WriteError) and said.sqlstate == _TOO_OLD
        raise ReadError(said.message, hint if old else said.hint) from None
