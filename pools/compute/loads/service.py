"""The coordinator's part of a compute replica: built from the settings when there are shards, started and stopped with the service."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from pools.audit import Trail
from pools.compute.auditing import Auditing
from pools.compute.errors import StatementError
from pools.compute.loads import pool_requests, sweep
from pools.compute.loads.coordinator import Coordinator
from pools.compute.loads.ledger import Ledgers
from pools.compute.loads.orphans import drop_orphans
from pools.compute.loads.shards import Shards
from pools.compute.loads.sweep import Sweeper
from pools.compute.master import Address, Master, MasterAway
from pools.compute.operations.work import Operator
from pools.compute.runner import QueryRunner
from pools.compute.settings import ServiceSettings
from pools.compute.snapshot import Snapshot
from pools.tickets import Signer
from pools.tls import ServerCertificate

if TYPE_CHECKING:
    from pools.compute.loads.flight import Server
    from pools.flight_listening import Listening

log = structlog.get_logger()

STOP_SECONDS = 5.0
RENEW_SECONDS = 1.0

ORPHANS_EVERY = 15
"""Passes of the sweep: it asks every database of the server."""

OPERATE = "data_operate"
"""The request that says: look for backups, restores and so on that wait."""


class DataPool:
    """Of one replica; lives on the event loop."""

    def __init__(
        self,
        settings: ServiceSettings,
        address: Address,
        master: Master,
        runner: Callable[[], QueryRunner],
        certificate: ServerCertificate | None = None,
    ) -> None:
        assert settings.ticket_key_file is not None
        self._settings = settings
        self._certificate = certificate
        self._master = master
        self._runner = runner
        self.signer = Signer.read(pathlib.Path(settings.ticket_key_file))
        self.ledgers = Ledgers(address)
        self.coordinator = Coordinator(self.ledgers, Shards(settings.shards, self.signer, settings.authority()))
        master.compare = self.coordinator.standings.of
        self.sweeper = Sweeper(self.coordinator)
        self.operator = Operator(self.coordinator, master.current)
        self._flight: Listening[Server] | None = None
        self.audit = Auditing(Trail(None, "compute"))
        """Who is told of loads; set before ``start``."""

    actions = frozenset({*pool_requests.HANDLERS, OPERATE})
    """Requests of the master that ``answer`` takes."""

    async def answer(self, content: Mapping[str, Any], catalog: Snapshot) -> list[object]:
        """One JSON object per row; StatementError."""
        if content["action"] == OPERATE:
            self.operator.wake(catalog.database)
            return []
        try:
            return await pool_requests.HANDLERS[content["action"]](self.coordinator, content, catalog)
        except KeyError as error:
            raise StatementError("22023", f"the request lacks {error}") from error

    async def start(self) -> int | None:
        """Listen; the port of the Flight endpoint, where there is one. StatementError when the port is taken."""
        if self._settings.flight_port is None:
            return None
        from pools.compute.loads.actions import Actions
        from pools.compute.loads.flight import Endpoint, Server
        from pools.compute.loads.login import Logins, judge
        from pools.compute.loads.reading import Reader
        from pools.compute.loads.relay import Relay
        from pools.flight_listening import Listening

        loop = asyncio.get_running_loop()
        logins = Logins(self._master, self.signer, loop, self.audit, judge(self._settings))
        actions = Actions(self.coordinator, Reader(self._runner, self._master, self.coordinator.shards))
        endpoint = Endpoint(logins, actions, Relay(self.coordinator.shards), loop, self.audit)
        host, port = self._settings.host, self._settings.flight_port
        self._flight = await asyncio.to_thread(
            Listening, lambda number, loaded: Server(endpoint, host, number, loaded), port, self._certificate
        )
        return self._flight.port

    async def run(self) -> None:
        """Sweep, and close idle connections, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.ledgers.run())
            tasks.create_task(self._sweep())
            tasks.create_task(self._renew())

    async def _renew(self) -> None:
        """A certificate that was replaced is in use a second later."""
        while self._flight is not None and self._certificate is not None:
            await asyncio.sleep(RENEW_SECONDS)
            if await asyncio.to_thread(self._flight.look):
                log.info("a renewed certificate is in use")

    async def _sweep(self) -> None:
        for passes in itertools.count(1):
            await asyncio.sleep(sweep.EVERY_SECONDS)
            for database in self._master.databases():
                await self.sweep_database(database)
            if passes % ORPHANS_EVERY == 0:
                try:
                    await drop_orphans(self.coordinator)
                except (MasterAway, StatementError) as error:
                    log.warning("dropped databases were not looked for", why=str(error))

    async def sweep_database(self, database: str) -> None:
        """One pass; what fails is logged and tried again with the next."""
        catalog = self._master.current(database)
        if not catalog.identity or not catalog.knows_data_pool:
            return
        try:
            await self.coordinator.refuse_behind(database)
            swept = await self.sweeper.sweep(database, catalog.identity)
        except (MasterAway, StatementError) as error:
            log.warning("the sweep of a database failed", database=database, why=str(error))
            return
        await self.operator.look(database)
        if swept.sentence:
            log.info("swept", database=database, what=swept.sentence)

    async def stop(self) -> None:
        """Refuse new calls, let those under way end, briefly."""
        if self._flight is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await asyncio.to_thread(self._flight.server.shutdown)
        await self.operator.close()
        await self.coordinator.close()
        await self.ledgers.close()
