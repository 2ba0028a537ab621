"""gRPC through the gateway: which service a call is for, as whom, and the call itself, passed on both ways until its trailers.

What the gateway refuses is said as gRPC says it: status 200 of HTTP, and ``grpc-status`` with ``grpc-message`` beside it. Who calls is the
login's token in ``authorization: Bearer``, as for every route. The compute pool's Flight endpoint gets that very token and judges it again;
Spark gets what the caller's own server wants, and never the token.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import urllib.parse
from collections.abc import Awaitable, Callable

import h2.errors
import h2.events

from pools import bearer
from pools.gateway import tokens
from pools.gateway.errors import RefusalError
from pools.gateway.http2 import Link
from pools.gateway.peer import CONNECT_SECONDS, carrying
from pools.gateway.record import SERVICES, Told
from pools.gateway.relay import HOP_BY_HOP, OURS
from pools.gateway.settings import GatewaySettings
from pools.gateway.sparks import SparkServers
from pools.gateway.streams import BrokenError, Headers, Stream
from pools.gateway.trust import Trust

TYPE = b"application/grpc"
KEPT_BACK = HOP_BY_HOP | OURS | {b"authorization", b"cookie"}
STATUS = {400: 3, 401: 16, 403: 7, 404: 12, 415: 3, 429: 8}
"""Of HTTP → of gRPC; others are 14, UNAVAILABLE: try again."""
BROKEN = {int(h2.errors.ErrorCodes.CANCEL): 1, int(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM): 8}
QUIET_SECONDS = 3600.0
"""A connection to a service is kept for so long without a call; with its client's connection it ends."""

Onward = tuple[str, ssl.SSLContext | None, bytes]
Finding = Callable[[], Awaitable[Onward]]
"""Server ``host:port``, whom to trust there (None: no TLS), and the header ``authorization``."""


class Upstreams:
    """Connections to services, of one client's connection."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._making = asyncio.Lock()

    async def open(self, server: str, context: ssl.SSLContext | None, headers: Headers) -> Stream:
        """A call. OSError, BrokenError."""
        for again in (True, False):
            link = await self._link(server, context)
            try:
                return await link.open(headers)
            except BrokenError:
                self._links.pop(server, None)
                if not again:
                    raise
        raise AssertionError

    async def _link(self, server: str, context: ssl.SSLContext | None) -> Link:
        async with self._making:
            link = self._links.get(server)
            if link is None or link.over or link.closing:
                async with asyncio.timeout(CONNECT_SECONDS):
                    reader, writer = await carrying(server, context)
                link = self._links[server] = Link(reader, writer)
                task = asyncio.create_task(_carry(link, writer))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            return link

    async def close(self) -> None:
        """All of them."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


async def _carry(link: Link, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(OSError):  # its streams know
            await link.run(CONNECT_SECONDS, QUIET_SECONDS)
    finally:
        writer.close()


class Calls:
    """What is done with gRPC calls. ``judge``: of tokens; ``trust``: who the controller is."""

    def __init__(self, settings: GatewaySettings, judge: bearer.Tokens, trust: Trust) -> None:
        self._settings = settings
        self._judge = judge
        self._pool = Trust(settings, inner=True, alpn=("h2",))
        self._sparks = SparkServers(settings, trust)

    async def serve(self, stream: Stream, told: Told, upstreams: Upstreams) -> None:
        """One call, to its end. OSError where the client is gone."""
        headers = dict(stream.headers)
        try:
            if not headers.get(b"content-type", b"").startswith(TYPE) or told.method != "POST":
                await _say_other(stream, told)
                return
            await tokens.check(self._judge, headers.get(b"authorization"), told)
            upstream = await self._opened(stream, headers, told.route, upstreams)
            try:
                told.status = 200
                await _relay(stream, upstream)
            finally:
                upstream.reset()
        except RefusalError as refusal:
            told.status, told.refused = refusal.status, refusal.code
            await say(stream, STATUS.get(refusal.status, 14), f"{refusal.message}{'. ' + refusal.hint if refusal.hint else ''}")
        except BrokenError:
            pass  # the client's side: nobody is there to be told

    async def _opened(self, stream: Stream, headers: dict[bytes, bytes], route: str, upstreams: Upstreams) -> Stream:
        if route == "flight":
            found, where = self._flight(headers), "the data pool's loads"
        elif route == "spark":
            found, where = self._spark(headers), "Spark"
        else:
            raise RefusalError(404, "not_found", "there is no such service here", hint=f"{' and '.join(SERVICES)} are")
        why = ""
        for onward in found:
            server, context, authorization = await onward()
            try:
                return await upstreams.open(server, context, _sent(stream, server, context, authorization))
            except (OSError, BrokenError) as error:
                why = type(error).__name__
                self._sparks.forget(headers.get(b"authorization", b""))
        raise RefusalError(502, "unreachable", f"{where} can't be reached ({why})", hint="bdc status; try again")

    def _flight(self, headers: dict[bytes, bytes]) -> list[Finding]:
        """Each replica; the first that answers is it."""
        if not self._settings.flight:
            raise RefusalError(404, "not_found", "this cluster has no data pool", hint="spec.pools.data.shards")

        def at(server: str) -> Finding:
            async def onward() -> Onward:
                context = await asyncio.to_thread(self._pool.context) if self._settings.flight_encrypted else None
                return server, context, headers[b"authorization"]

            return onward

        return [at(server) for server in self._settings.flight]

    def _spark(self, headers: dict[bytes, bytes]) -> list[Finding]:
        """The caller's own server; one that went away meanwhile is asked for once more."""

        async def onward() -> Onward:
            server = await self._sparks.of(headers[b"authorization"])
            return server.address, None, b"Bearer " + server.token.encode()

        return [onward, onward]


async def say(stream: Stream, status: int, message: str) -> None:
    """An error of gRPC's: the call's whole answer, or its end where an answer has begun."""
    trailers = [
        (b"grpc-status", str(status).encode()),
        (b"grpc-message", urllib.parse.quote(message, safe=" '\",.;:!?()[]{}/=<>@#$&*+").encode()),
    ]
    head = [] if stream.begun else [(b":status", b"200"), (b"content-type", TYPE)]
    with contextlib.suppress(BrokenError):
        await stream.head([*head, *trailers], end=True)


async def _say_other(stream: Stream, told: Told) -> None:
    """No gRPC: all other routes are HTTP/1.1's, which clients that speak both agree on."""
    refusal = RefusalError(
        415, "invalid_request", "over HTTP/2 only gRPC is served here", where="header content-type", hint="use HTTP/1.1: curl --http1.1"
    )
    told.status, told.refused = refusal.status, refusal.code
    body = refusal.body(told.request_id)
    sent = [(b":status", b"415"), (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await stream.head([*sent, (b"x-request-id", told.request_id.encode())])
    await stream.data(body if told.method != "HEAD" else b"", end=True)


def _sent(stream: Stream, server: str, context: ssl.SSLContext | None, authorization: bytes) -> Headers:
    kept = [(name, value) for name, value in stream.headers if not name.startswith(b":") and name not in KEPT_BACK]
    return [
        (b":method", b"POST"),
        (b":scheme", b"http" if context is None else b"https"),
        (b":authority", server.encode()),
        (b":path", dict(stream.headers)[b":path"]),
        (b"te", b"trailers"),
        *kept,
        (b"authorization", authorization),
    ]


async def _relay(client: Stream, upstream: Stream) -> None:
    """Both ways at once: a service may answer before it has read everything. BrokenError, OSError of the client's side."""
    upload = asyncio.create_task(_upload(client, upstream))
    try:
        await _download(upstream, client)
    finally:
        upload.cancel()
        with contextlib.suppress(asyncio.CancelledError, BrokenError, OSError):
            await upload


async def _upload(client: Stream, upstream: Stream) -> None:
    """Ends quietly where the service takes no more: its answer says why. What the client breaks off cancels the whole call."""
    with contextlib.suppress(BrokenError, OSError):
        while not isinstance(event := await client.next(), h2.events.StreamEnded):
            if isinstance(event, h2.events.DataReceived):
                await upstream.data(event.data, end=event.stream_ended is not None)
                client.taken(event)
        if not upstream.ended:
            await upstream.data(b"", end=True)


async def _download(upstream: Stream, client: Stream) -> None:
    while not client.ended:
        try:
            event = await upstream.next()
        except BrokenError as error:
            await say(client, BROKEN.get(error.code, 14), "the service broke the call off. bdc status; try again")
            return
        ended = getattr(event, "stream_ended", None) is not None
        if isinstance(event, h2.events.DataReceived):
            await client.data(event.data, end=ended)
            upstream.taken(event)
        elif isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            kept = [(name, value) for name, value in event.headers or [] if name not in HOP_BY_HOP]
            await client.head(kept, end=ended)
        elif isinstance(event, h2.events.StreamEnded):
            await client.data(b"", end=True)
