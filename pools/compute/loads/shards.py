"""The shards' actions (docs/architecture/load-protocol.md, "Messages: shard"), asked from the event loop; streams go through ``streams``.

What a shard refuses is a ``StatementError`` with the shard's own SQLSTATE and words; one that can't be reached is ``ShardAwayError``.
pyarrow's Flight is imported with the first connection: a pool that is asked for no load stays small.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pools.compute.errors import StatementError
from pools.compute.settings import ShardAddress
from pools.tickets import Signer
from virtualization.shard_calls import CHANNEL, said

if TYPE_CHECKING:
    from pyarrow.flight import FlightClient

THREADS = 32
"""Actions under way at once, of all loads."""

CONTROL_SECONDS = 60.0
"""For so long a control ticket is good."""

ANSWER_SECONDS = 60.0
HELLO_SECONDS = 20.0
"""A shard that is down says so at once; one on a busy machine may need some seconds."""

HELLO_AGAIN = (0.1, 0.3)
"""Seconds between tries: one that has just been restarted is there, but gRPC, which was refused before, does not try for 0.3 s."""

SEAL_SECONDS = 1800.0
"""A seal compares keys with the whole table."""


class ShardAwayError(StatementError):
    """No answer: what was asked for may have been done."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(
            "08006", f"shard {number} of the data pool does not answer", detail=why, hint="Try again; `bdc status` shows whether it runs."
        )
        self.number = number


class Shards:
    """All shards that the settings name. ``act`` belongs to the event loop; ``client`` may be called from any thread."""

    def __init__(self, addresses: Sequence[ShardAddress], signer: Signer, authority: Any = None) -> None:  # noqa: ANN401 (pyarrow's stub calls them a text)
        """``authority``: PEM certificates (bytes) that verify shards which speak TLS."""
        self._authority = authority
        self.addresses: Mapping[int, ShardAddress] = {address.number: address for address in addresses}
        self.signer = signer
        self._threads = ThreadPoolExecutor(THREADS, "shards")
        self._clients: dict[int, FlightClient] = {}
        self._lock = threading.Lock()

    def location(self, number: int) -> str:
        """``grpc://host:port``; StatementError 55000 for a shard that this pool does not have."""
        address = self.addresses.get(number)
        if address is None:
            raise StatementError(
                "55000", f"the data pool has no shard {number}", detail=f"Shards: {', '.join(map(str, sorted(self.addresses))) or 'none'}."
            )
        return address.location

    def client(self, number: int) -> FlightClient:
        """Thread-safe; connects on its own, again and again."""
        with self._lock:
            client = self._clients.get(number)
            if client is None:
                from pyarrow import flight

                client = flight.FlightClient(self.location(number), tls_root_certs=self._authority, generic_options=CHANNEL)
                self._clients[number] = client
            return client

    async def act(
        self, shard: Mapping[str, Any], database: str, action: str, body: Mapping[str, Any], seconds: float = ANSWER_SECONDS
    ) -> list[dict[str, Any]]:
        """Ask one shard, ``{"number", "id"}``, for the database with this identity; the rows of its answer."""
        number = int(shard["number"])
        ticket = self.signer.sign("data-shard", "control", CONTROL_SECONDS, {"db": database, "shard": shard["id"]})
        rows = await self._asked(number, action, {"ticket": ticket, **body}, seconds)
        for row in rows:
            if "mark" in row:
                self.signer.know({shard["id"]: row["mark"]})
        return rows

    async def hello(self, number: int, database: str | None = None) -> dict[str, Any]:
        """The shard's identity and free space; needs no ticket. ``database``: also ``newest``, of the one with this identity."""
        body = {"db": database} if database else {}
        for wait in HELLO_AGAIN:
            try:
                return (await self._asked(number, "hello", body, HELLO_SECONDS))[0]
            except ShardAwayError:
                await asyncio.sleep(wait)
        return (await self._asked(number, "hello", body, HELLO_SECONDS))[0]

    async def _asked(self, number: int, action: str, body: Mapping[str, Any], seconds: float) -> list[dict[str, Any]]:
        def ask() -> list[dict[str, Any]]:
            import pyarrow as pa
            from pyarrow import flight

            options = flight.FlightCallOptions(timeout=seconds)
            try:
                results = list(self.client(number).do_action(flight.Action(action, json.dumps(body).encode()), options))
            except (pa.ArrowException, OSError) as error:
                raise refused(error, number) from None
            return [json.loads(result.body.to_pybytes()) for result in results]

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    def close(self) -> None:
        """End the connections; what is under way fails."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()


def refused(error: Exception, number: int) -> StatementError:
    """What a Flight error of a shard means: its JSON where there is one, else that the shard is away or broke the protocol."""
    told = said(str(error))
    if told is not None:
        detail = f"Shard {number}. {told.get('detail') or ''}".strip()
        return StatementError(str(told.get("sqlstate", "XX000")), str(told["message"]), detail=detail, hint=told.get("hint"))
    from pyarrow import flight

    why = " ".join(str(error).split("gRPC client debug context")[0].split())
    if isinstance(error, flight.FlightUnavailableError | flight.FlightTimedOutError | flight.FlightCancelledError | OSError):
        return ShardAwayError(number, why)
    return StatementError("XX000", f"shard {number} of the data pool failed", detail=why)
