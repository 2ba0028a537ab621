"""Whose Spark Connect server is where: the controller says it, to the caller's own token, and starts the server where it rests. So whom
the controller does not let start one, an admin, does not come in here, and beyond ``spec.pools.storage.spark.servers`` nobody does.

What it said holds for ``KEEP_SECONDS``: so long after a log-out, or a lost role, a call is still passed on.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

import h11

from pools.gateway.errors import RefusalError
from pools.gateway.peer import CONNECT_SECONDS, carrying, connect
from pools.gateway.settings import GatewaySettings
from pools.gateway.trust import Trust

START, TOKEN = "/api/v1/bdc/services/spark/start", "/api/v1/bdc/services/spark/token"
ENDPOINTS = "/api/v1/bdc/endpoints/"
KEEP_SECONDS = 10.0
START_SECONDS = 180.0
"""A call waits for so long for its server."""
LISTED_SECONDS = 30.0
AGAIN_SECONDS = 0.5
ANSWER_BYTES = 65_536
REMEMBERED = 1_000


@dataclass(frozen=True)
class SparkServer:
    """``token``: what it wants of its clients."""

    address: str
    token: str = field(repr=False)


class SparkServers:
    """By the callers' tokens; of one event loop."""

    def __init__(self, settings: GatewaySettings, trust: Trust) -> None:
        parts = urllib.parse.urlsplit(settings.controller)
        self._controller, self._encrypted = parts.netloc, parts.scheme == "https"
        self._host = settings.spark_host
        self._trust = trust
        self._known: dict[bytes, tuple[float, SparkServer]] = {}

    async def of(self, authorization: bytes) -> SparkServer:
        """That takes calls; waits until it does. RefusalError as the controller says it, 404 without Spark, 503 while it starts."""
        if self._host is None:
            raise RefusalError(404, "not_found", "this cluster has no Spark", hint="spec.pools.storage.spark.enabled")
        digest, until = hashlib.sha256(authorization).digest(), time.monotonic() + START_SECONDS
        kept = self._known.get(digest)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        found = await self._asked(authorization)
        while not await _listens(found.address):
            if time.monotonic() > until:
                raise RefusalError(503, "not_ready", "your Spark server still starts", hint="try again; bdc status --service spark")
            await asyncio.sleep(AGAIN_SECONDS)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[digest] = time.monotonic() + KEEP_SECONDS, found
        return found

    def forget(self, authorization: bytes) -> None:
        """It does not answer there."""
        self._known.pop(hashlib.sha256(authorization).digest(), None)

    async def _asked(self, authorization: bytes) -> SparkServer:
        """Have it run."""
        started = await self._told(b"POST", START, authorization, "endpoint")
        token = await self._told(b"GET", TOKEN, authorization, "token")
        until = time.monotonic() + LISTED_SECONDS
        while True:  # it is listed once the controller has looked at what is asked for
            try:
                listed = await self._told(b"GET", ENDPOINTS + urllib.parse.quote(started["endpoint"], safe=""), authorization, "endpoint")
                break
            except RefusalError as refusal:
                if refusal.status != 404 or time.monotonic() > until:
                    raise
                await asyncio.sleep(AGAIN_SECONDS)
        place = urllib.parse.urlsplit(listed["endpoint"])
        return SparkServer(f"{self._host or place.hostname}:{place.port}", token["token"])

    async def _told(self, method: bytes, path: str, authorization: bytes, wanted: str) -> dict[str, Any]:
        """What the controller answers; its refusals are ours."""
        try:
            status, said = await self._request(method, path, authorization)
            if status < 300:
                str(said[wanted])
                return said
            error = said["error"]
            refusal = RefusalError(status, str(error["code"]), str(error["message"]), hint=error.get("hint"))
        except (OSError, ValueError, LookupError, TypeError, h11.ProtocolError) as error:
            why = type(error).__name__
            raise RefusalError(502, "unreachable", f"the controller does not answer ({why})", hint="bdc status; try again") from None
        raise refusal

    async def _request(self, method: bytes, path: str, authorization: bytes) -> tuple[int, dict[str, Any]]:
        context = await asyncio.to_thread(self._trust.context) if self._encrypted else None
        upstream = await connect(self._controller, context)
        try:
            headers = [(b"host", self._controller.encode()), (b"connection", b"close"), (b"authorization", authorization)]
            headers += [(b"content-length", b"0")] if method == b"POST" else []
            await upstream.send(h11.Request(method=method, target=path, headers=headers))
            await upstream.send(h11.EndOfMessage())
            while not isinstance(event := await upstream.next(), h11.Response):
                if not isinstance(event, h11.InformationalResponse):
                    raise ConnectionResetError("no answer")
            content = json.loads(await upstream.body(ANSWER_BYTES))
            return event.status_code, dict(content)
        finally:
            upstream.close()


async def _listens(address: str) -> bool:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):  # a pod that is not there yet takes nothing and says nothing
            _, writer = await carrying(address)
    except OSError:
        return False
    writer.close()
    return True
