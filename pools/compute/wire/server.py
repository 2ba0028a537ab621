"""The listening side: accepts, logs in, keeps the list of connections, routes cancel requests, stops in good order."""

from __future__ import annotations

import asyncio
import hmac
import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from pools.compute.catalogs import Identity
from pools.compute.errors import AdmissionError, AuthenticationError, ShutdownError, StatementError
from pools.compute.session import Pool, Session
from pools.compute.wire import backend, login, reports
from pools.compute.wire.connection import Connection
from pools.compute.wire.frontend import MAX_BATCH_BYTES, MAX_MESSAGE_BYTES, PROTOCOL_3_0, PROTOCOL_3_2, CancelRequest, Startup
from pools.compute.wire.link import Link
from pools.tls import ServerCertificate

log = structlog.get_logger()

REFUSED_SECONDS = 0.5
"""A wrong password is answered no sooner: guessing is slow, and ``STRANGERS`` bounds how many guess at once."""

REPLICA_BITS = 20
"""A session's process number is ``replica`` above these bits and a running number below."""

STRANGERS = 100
"""Connections that may be on their way through the login (or bring a cancel request): more would cost file descriptors only."""


@dataclass(frozen=True)
class Encryption:
    """``certificate``: None: no TLS; ``required``: who comes without is told so and goes."""

    certificate: ServerCertificate | None = None
    required: bool = False


class Server:
    """``replica``: 0 to 1023."""

    def __init__(self, pool: Pool, replica: int = 0, encryption: Encryption = Encryption()) -> None:
        self._pool = pool
        self._encryption = encryption
        self._replica = replica
        self._numbers = itertools.count(1)
        self._connections: dict[int, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._key = secrets.token_bytes(32)
        self._stopping = False

    async def start(self, host: str, port: int) -> int:
        """Listen; the port (a free one where 0 was asked for)."""
        seconds = self._pool.limits.send_seconds
        certificate = self._encryption.certificate
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Link(self._accept, seconds, certificate), host, port, backlog=512
        )
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    @property
    def identities(self) -> set[Identity]:
        """Who is logged in."""
        return {connection.session.identity for connection in self._connections.values()}

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    def end(self, whose: Callable[[Identity], bool], message: str, hint: str | None = None) -> int:
        """Close the connections of these users; how many there were."""
        found = [one for one in self._connections.values() if whose(one.session.identity)]
        for connection in found:
            connection.end(ShutdownError(message, hint=hint))
        return len(found)

    async def stop(self, seconds: float) -> None:
        """No new connections; idle ones end now, running statements get ``seconds``, then are cancelled with 57P01."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        deadline = asyncio.get_running_loop().time() + seconds
        message = "terminating connection because the compute pool is stopping"
        while self._connections:
            late = asyncio.get_running_loop().time() >= deadline
            for connection in list(self._connections.values()):
                if late or not connection.busy:
                    connection.end(ShutdownError(message, hint="Connect again."))
            if late:
                break
            await asyncio.sleep(0.05)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        for task in self._tasks:
            task.cancel()

    async def _accept(self, link: Link) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self._tasks) > self._pool.limits.connections + STRANGERS:
                link.abort()  # without a word: hearing what it wants first would keep it
                return
            await self._serve(link)
        except ConnectionError:
            pass
        except asyncio.CancelledError:
            link.abort()
        except Exception as error:  # noqa: BLE001 (one connection's end must not become the server's)
            link.send(reports.error_response(error, fatal=True))
        finally:
            await link.close()
            self._tasks.discard(task)

    async def _serve(self, link: Link) -> None:
        try:
            async with asyncio.timeout(self._pool.limits.login_seconds):
                entered = await self._log_in(link)
        except TimeoutError:
            return
        if entered is None:
            return
        connection = entered
        process = connection.session.process
        self._connections[process] = connection
        log.info("connected", user=connection.session.identity.login, database=connection.session.identity.database, process=process)
        try:
            await connection.run()
        finally:
            del self._connections[process]
            log.info("disconnected", process=process)

    async def _log_in(self, link: Link) -> Connection | None:
        packet = await login.opening(link)
        if isinstance(packet, CancelRequest):
            self._cancel(packet)
            return None
        if packet is None:
            return None
        if self._stopping:
            raise ShutdownError("the compute pool is stopping", hint="Connect again.")
        if self._encryption.required and link.encrypted is None:
            raise StatementError(
                "28000", "the compute pool takes encrypted connections only", hint="sslmode=verify-full, or at least require"
            )
        return await self._authenticated(link, packet)

    def _full(self) -> AdmissionError:
        return AdmissionError("sorry, too many clients already", hint=f"The limit is {self._pool.limits.connections} connections.")

    async def _authenticated(self, link: Link, packet: Startup) -> Connection:
        if packet.version > PROTOCOL_3_2 or packet.unknown_options:
            link.send(backend.negotiate(min(packet.version, PROTOCOL_3_2), packet.unknown_options))
        asked = login.read_startup(packet)
        link.start()
        try:
            await login.authenticate(link, asked, self._pool.catalogs.verifier, self._key)
        except AuthenticationError as error:
            log.warning("login refused", user=asked.identity.login, database=asked.identity.database, why=error.message)
            self._pool.audit.login(await self._known(asked.identity), link.peer, None, error)
            if not isinstance(error, login.ClientLeftError):
                await asyncio.sleep(REFUSED_SECONDS)
            raise
        if len(self._connections) >= self._pool.limits.connections:
            raise self._full()
        link.trust(MAX_BATCH_BYTES if asked.identity.mapping else MAX_MESSAGE_BYTES)
        process = self._replica << REPLICA_BITS | next(self._numbers) % (1 << REPLICA_BITS)
        key = secrets.token_bytes(4 if asked.version == PROTOCOL_3_0 else 32)
        session = Session(self._pool, asked.identity, process, asked.variables)
        self._pool.audit.login(asked.identity, link.peer, str(process))
        self._pool.audit.arrived(session.origin)
        return Connection(session, link, key, self._pool.limits)

    async def _known(self, identity: Identity) -> Identity:
        """Without a name where nobody has it."""
        if await self._pool.catalogs.verifier(identity) is not None:
            return identity
        return replace(identity, user="", mapping=False)

    def _cancel(self, packet: CancelRequest) -> None:
        connection = self._connections.get(packet.process)
        if connection is not None and hmac.compare_digest(connection.key, packet.key):
            connection.cancel()
