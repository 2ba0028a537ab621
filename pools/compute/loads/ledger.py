"""The master's functions about loads: where decisions are kept. Connections of role ``bdc_pool``, a few per database, closed when idle
so that DROP DATABASE waits for none of them.

A statement that fails at the master is a ``StatementError`` with its SQLSTATE; ``MasterAway`` means that the answer is not known:
the statement may have been carried out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from pools.compute.errors import StatementError
from pools.compute.master import ROLE, SESSION, Address, MasterAway

CONNECTIONS = 8
"""Per database; who comes later waits for one."""

IDLE_SECONDS = 2.0
ANSWER_SECONDS = 30.0
"""A decision waits for the clock's lock behind others."""

_GONE = ("08", "57P", "25P03")
"""SQLSTATEs (beginnings) that speak of the connection or the server, not of the statement."""

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class Ledger:
    """Of one database."""

    def __init__(self, address: Address, database: str) -> None:
        self.database = database
        self._address = address
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[tuple[float, Connection]] = []

    async def begin(self, user: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """See ``pool_begin_load``."""
        return await self._object("SELECT bdc.pool_begin_load(%s, %s::jsonb)", user, json.dumps(request))

    async def decide(self, load: str, xid: str | None, rows: int, marks: Mapping[str, int]) -> dict[str, Any]:
        """See ``pool_decide_load``."""
        statement = "SELECT bdc.pool_decide_load(%s::uuid, %s::xid8, %s::bigint, %s::jsonb)"
        return await self._object(statement, load, xid, rows, json.dumps(marks))

    async def abort(self, load: str, reason: str) -> dict[str, Any]:
        """See ``pool_abort_load``."""
        return await self._object("SELECT bdc.pool_abort_load(%s::uuid, %s)", load, reason)

    async def renew(self, load: str, seconds: int) -> dict[str, Any]:
        """See ``pool_renew_load``."""
        return await self._object("SELECT bdc.pool_renew_load(%s::uuid, %s)", load, seconds)

    async def snapshot(self) -> dict[str, Any]:
        """See ``pool_snapshot``."""
        return await self._object("SELECT bdc.pool_snapshot()")

    async def load(self, load: str) -> dict[str, Any] | None:
        """See ``pool_load``."""
        found: dict[str, Any] | None = await self._value("SELECT bdc.pool_load(%s::uuid)", load)
        return found

    async def loads(self) -> list[dict[str, Any]]:
        """See ``pool_loads``."""
        return await self._value("SELECT bdc.pool_loads()") or []

    async def states(self, loads: Sequence[str]) -> dict[str, dict[str, Any]]:
        """See ``pool_states``."""
        return await self._value("SELECT bdc.pool_states(%s::uuid[])", list(loads)) or {}

    async def applied(self, loads: Sequence[str], marks: Mapping[str, int]) -> None:
        """See ``pool_applied``."""
        await self._value("SELECT bdc.pool_applied(%s::uuid[], %s::jsonb)", list(loads), json.dumps(marks))

    async def analyze(self, table: str, rows: int) -> bool:
        """See ``pool_analyze``."""
        return bool(await self._value("SELECT bdc.pool_analyze(%s::uuid, %s::bigint)", table, rows))

    async def databases(self) -> dict[str, bool]:
        """All of the server: name → does it allow connections?"""
        return await self._object("SELECT jsonb_object_agg(datname, datallowconn) FROM pg_database WHERE NOT datistemplate")

    async def identities(self) -> list[str]:
        """See ``pool_identities``."""
        return await self._value("SELECT bdc.pool_identities()") or []

    async def lost_databases(self, present: Sequence[str], seconds: int) -> list[str]:
        """See ``pool_lost_databases``; of database ``postgres``."""
        return await self._value("SELECT bdc.pool_lost_databases(%s::uuid[], %s)", list(present), seconds) or []

    async def forget_database(self, lost: str) -> None:
        """See ``pool_forget_database``; of database ``postgres``."""
        await self._value("SELECT bdc.pool_forget_database(%s::uuid)", lost)

    async def sweep(self) -> dict[str, Any]:
        """See ``pool_sweep``."""
        return await self._object("SELECT bdc.pool_sweep()")

    async def collected(self, tables: Sequence[str]) -> None:
        """See ``pool_collected``."""
        await self._value("SELECT bdc.pool_collected(%s::uuid[])", list(tables))

    async def left_collected(self, table: str, shard: int) -> None:
        """See ``pool_left_collected``."""
        await self._value("SELECT bdc.pool_left_collected(%s::uuid, %s)", table, shard)

    async def begin_move(self, user: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """See ``pool_begin_move``."""
        return await self._object("SELECT bdc.pool_begin_move(%s, %s::jsonb)", user, json.dumps(request))

    async def ask_refill(self, present: Sequence[Mapping[str, Any]]) -> bool:
        """See ``pool_ask_refill``."""
        return bool(await self._value("SELECT bdc.pool_ask_refill(%s::jsonb)", json.dumps(list(present))))

    async def data_set(self, user: str, names: Sequence[str] | None, right: str | None) -> dict[str, Any]:
        """See ``pool_data_set``."""
        return await self._object("SELECT bdc.pool_data_set(%s, %s::text[], %s)", user, None if names is None else list(names), right)

    async def restore_target(self, user: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """See ``pool_restore_target``."""
        return await self._object("SELECT bdc.pool_restore_target(%s, %s::jsonb)", user, json.dumps(request))

    async def take_operation(self, taker: str) -> dict[str, Any] | None:
        """See ``pool_take_operation``."""
        found: dict[str, Any] | None = await self._value("SELECT bdc.pool_take_operation(%s::uuid)", taker)
        return found

    async def tell_operation(self, operation: str, teller: str, told: Mapping[str, Any]) -> bool:
        """See ``pool_tell_operation``."""
        return bool(await self._value("SELECT bdc.pool_tell_operation(%s::uuid, %s::uuid, %s::jsonb)", operation, teller, json.dumps(told)))

    async def end_operation(self, operation: str, teller: str, told: Mapping[str, Any], why: Mapping[str, Any] | None) -> None:
        """See ``pool_end_operation``."""
        statement = "SELECT bdc.pool_end_operation(%s::uuid, %s::uuid, %s::jsonb, %s::jsonb)"
        await self._value(statement, operation, teller, json.dumps(told), None if why is None else json.dumps(why))

    async def transaction_of(self, session: str, load: str) -> dict[str, Any] | None:
        """See ``pool_backend_xid``: ``{"xid"}`` of the transaction that the load belongs to, None when that has ended."""
        found: dict[str, Any] | None = await self._value("SELECT bdc.pool_backend_xid(%s, %s::uuid)", session, load)
        return found

    @asynccontextmanager
    async def alone(self, key: int) -> AsyncIterator[bool]:
        """Hold the advisory lock ``key`` of this database; False: another replica has it."""
        async with self._connection(None) as connection:
            row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [key])).fetchone()
            held = row is not None and bool(row[0])
            try:
                yield held
            finally:
                if held and not connection.closed:
                    await connection.execute("SELECT pg_advisory_unlock(%s)", [key])

    async def close(self) -> None:
        """Close idle connections; those in use close when they come back."""
        idle, self._idle = self._idle, []
        for _, connection in idle:
            await _quietly_closed(connection)

    async def tidy(self) -> None:
        """Close what was idle for long enough."""
        now = time.monotonic()
        old = [entry for entry in self._idle if now - entry[0] > IDLE_SECONDS]
        self._idle = [entry for entry in self._idle if entry not in old]
        for _, connection in old:
            await _quietly_closed(connection)

    async def _object(self, statement: str, *arguments: object) -> dict[str, Any]:
        found = await self._value(statement, *arguments)
        if not isinstance(found, dict):
            raise StatementError("XX000", f"the master answered {type(found).__name__} where an object was expected")
        return found

    async def _value(self, statement: str, *arguments: object) -> Any:  # noqa: ANN401 (JSON)
        async with self._connection() as connection:
            cursor = await connection.execute(statement.encode(), arguments or None)
            row = await cursor.fetchone()
            return None if row is None else row[0]

    @asynccontextmanager
    async def _connection(self, seconds: float | None = ANSWER_SECONDS) -> AsyncIterator[Connection]:
        """One for a while, at most ``seconds``. Errors inside become StatementError or MasterAway."""
        async with self._places:
            connection = await self._taken()
            try:
                async with asyncio.timeout(seconds):
                    yield connection
            except (psycopg.Error, OSError, TimeoutError) as error:
                if (stated := _stated(error)) is None:
                    raise MasterAway(_reason(error)) from error
                raise stated from error
            finally:
                await self._given_back(connection)

    async def _taken(self) -> Connection:
        while self._idle:
            _, connection = self._idle.pop()
            if not connection.closed and not _has_ended(connection):
                return connection
            await _quietly_closed(connection)
        address = self._address
        try:
            return await psycopg.AsyncConnection.connect(
                host=address.host, port=address.port, user=ROLE, password=address.password, dbname=self.database, **address.encryption,
                application_name=f"{address.name} loads", autocommit=True, connect_timeout=5, options=SESSION,
            )  # fmt: skip
        except (psycopg.Error, OSError) as error:
            raise MasterAway(_reason(error)) from error

    async def _given_back(self, connection: Connection) -> None:
        status = connection.info.transaction_status
        if connection.closed or status is not psycopg.pq.TransactionStatus.IDLE:
            await _quietly_closed(connection)
        else:
            self._idle.append((time.monotonic(), connection))


class Ledgers:
    """One per database, made on demand."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._ledgers: dict[str, Ledger] = {}

    def of(self, database: str) -> Ledger:
        """The database's."""
        if database not in self._ledgers:
            self._ledgers[database] = Ledger(self._address, database)
        return self._ledgers[database]

    async def run(self) -> None:
        """Close idle connections, until cancelled."""
        while True:
            await asyncio.sleep(IDLE_SECONDS / 2)
            for ledger in list(self._ledgers.values()):
                await ledger.tidy()

    async def close(self) -> None:
        """Close all."""
        for ledger in self._ledgers.values():
            await ledger.close()


def _has_ended(connection: Connection) -> bool:
    """Did the server end it while it was idle? Bytes that wait can only say so (or are notices: then it is replaced too)."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


async def _quietly_closed(connection: Connection) -> None:
    with contextlib.suppress(psycopg.Error, OSError):
        await connection.close()


def _stated(error: BaseException) -> StatementError | None:
    """What the master says of the statement; None when it is the connection that failed."""
    state = getattr(error, "sqlstate", None)
    if not isinstance(error, psycopg.Error) or state is None or state.startswith(_GONE):
        return None
    said = error.diag
    return StatementError(state, said.message_primary or str(error), detail=said.message_detail, hint=said.message_hint)


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
