"""Accepts connections, reads requests, and keeps the limits: whatever comes in is answered with one error in JSON, or cut off."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import h11

from pools.gateway.errors import RefusalError
from pools.gateway.grpc import Calls, Upstreams, say
from pools.gateway.http2 import Link
from pools.gateway.metrics import Meters
from pools.gateway.peer import BLOCK, HEAD_BLOCK, HEADER_BYTES, Peer
from pools.gateway.record import Told
from pools.gateway.routes import Routes, route_of
from pools.gateway.streams import Stream
from pools.tls import ServerCertificate

BACKLOG = 512


@dataclass(frozen=True)
class Limits:
    """``header_seconds``: from the connection to the end of the headers, TLS included; ``idle_seconds``: until the next request begins,
    ``quiet_seconds``: the same over HTTP/2, whose clients connect again by themselves; ``per_address``, ``connections``: at once. So many
    above them (``told``) are told why, further ones just cut off."""

    header_seconds: float = 30.0
    idle_seconds: float = 60.0
    quiet_seconds: float = 300.0
    per_address: int = 200
    connections: int = 1000
    told: int = 50
    linger_seconds: float = 5.0
    linger_bytes: int = 16 << 20


class Listener:
    """``record`` is given each request that has ended, with its seconds; ``failed`` what should not happen."""

    def __init__(
        self,
        routes: Routes,
        calls: Calls,
        certificate: ServerCertificate,
        record: Callable[[Told, float], None],
        failed: Callable[[str], None],
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.meters = Meters(self.limits.connections)
        self._routes = routes
        self._calls = calls
        self._certificate = certificate
        self._record = record
        self._failed = failed
        self._from: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._links: set[Link] = set()
        self._accepting: list[asyncio.Task[None]] = []
        self._sockets: list[socket.socket] = []

    def start(self, addresses: tuple[str, ...], port: int) -> int:
        """Listen on all; the port. OSError."""
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listening = socket.create_server((address, port), family=family, backlog=BACKLOG)
            listening.setblocking(False)
            port = int(listening.getsockname()[1])
            self._sockets.append(listening)
            self._accepting.append(asyncio.create_task(self._accept(listening)))
        return port

    async def stop(self, seconds: float) -> None:
        """No new connections; those that there are have ``seconds`` to end."""
        for task in self._accepting:
            task.cancel()
        for listening in self._sockets:
            listening.close()
        for link in self._links:
            link.drain()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, came_from = await loop.sock_accept(listening)
            except OSError:  # no more files, or the client is gone already
                await asyncio.sleep(0.05)
                continue
            address, limits = str(came_from[0]), self.limits
            if self._from[address] >= limits.per_address + limits.told or self._from.total() >= limits.connections + limits.told:
                connected.close()
                self.meters.connections["cut_off"] += 1
                continue
            crowded = self._from[address] >= limits.per_address or self._from.total() >= limits.connections
            self._from[address] += 1
            self.meters.open += 1
            self.meters.connections["taken"] += 1
            task = asyncio.create_task(self._connection(connected, address, crowded=crowded))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connection(self, connected: socket.socket, address: str, *, crowded: bool) -> None:
        try:
            opened = time.monotonic()
            with contextlib.suppress(OSError):  # ssl.SSLError and TimeoutError are some
                peer = await self._encrypted(connected)
                try:
                    if peer.agreed == "h2":
                        await self._called(peer, address, crowded=crowded)
                    else:
                        await self._requests(peer, address, opened, crowded=crowded)
                finally:
                    await peer.closed(self.limits.linger_seconds)
        except Exception as error:  # noqa: BLE001 (a connection of its own: the others go on)
            self._failed(f"{type(error).__name__}: {error}")
        finally:
            connected.close()
            self.meters.open -= 1
            self._from[address] -= 1
            if not self._from[address]:
                del self._from[address]

    async def _encrypted(self, connected: socket.socket) -> Peer:
        loop = asyncio.get_running_loop()
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = asyncio.StreamReader(limit=BLOCK, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        seconds = self.limits.header_seconds
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, connected, ssl=self._certificate.current().context, ssl_handshake_timeout=seconds
            )
        except OSError:
            self.meters.connections["no_tls"] += 1
            raise
        return Peer(reader, asyncio.StreamWriter(transport, protocol, reader, loop), h11.SERVER)

    async def _called(self, peer: Peer, address: str, *, crowded: bool) -> None:
        """Calls of gRPC, many at once."""
        upstreams = Upstreams()

        async def serve(stream: Stream) -> None:
            told, began = Told(address, request_id=uuid.uuid4().hex), time.monotonic()
            told.called(stream.headers)
            try:
                with self.meters.streaming(told.route):
                    if crowded:
                        told.status, told.refused = 503, "busy"
                        await say(stream, 8, "too many connections: close some, or try again later")
                    else:
                        await self._calls.serve(stream, told, upstreams)
            except OSError:
                pass  # the client is gone
            except Exception as error:  # noqa: BLE001 (a call of its own: the others go on)
                self._failed(f"{type(error).__name__}: {error}")
            finally:
                told.received, told.sent = stream.received, stream.sent
                self.meters.over(told, time.monotonic() - began)
                self._record(told, time.monotonic() - began)

        link = Link(peer.reader, peer.writer, serve)
        self._links.add(link)
        try:
            await link.run(self.limits.header_seconds, self.limits.quiet_seconds)
        finally:
            self._links.discard(link)
            await upstreams.close()

    async def _requests(self, peer: Peer, address: str, opened: float, *, crowded: bool) -> None:
        """One after the other, as long as both sides keep the connection."""
        until, fresh = opened + self.limits.header_seconds, True
        while True:
            told, began = Told(address, request_id=uuid.uuid4().hex), time.monotonic()
            peer.status = peer.received = peer.sent = peer.content_received = peer.content_sent = 0
            try:
                request = await self._head(peer, until, fresh=fresh)
                if request is None:
                    return
                began = time.monotonic()
                told.asked(request)
                told.route = route_of(request.target)
                if crowded:
                    raise RefusalError(503, "busy", "too many connections", where="gateway", hint="close some, or try again later")
                with self.meters.streaming(told.route):
                    await self._routes.serve(peer, request, told)
            except RefusalError as refusal:
                await _answer(peer, refusal, told)
            except h11.RemoteProtocolError as error:
                await _answer(peer, _malformed(error), told)
            finally:
                if told.method != "-" or peer.status:
                    seconds = time.monotonic() - began
                    told.status, told.received, told.sent = peer.status, peer.received, peer.sent
                    told.content_received, told.content_sent = peer.content_received, peer.content_sent
                    self.meters.over(told, seconds)
                    self._record(told, seconds)
            if not await self._again(peer):
                return
            until, fresh = time.monotonic() + self.limits.idle_seconds, False

    async def _head(self, peer: Peer, until: float, *, fresh: bool) -> h11.Request | None:
        """The next request; None: the client has none. Not the first one on its connection: ``until`` is when it must have begun.
        RefusalError 408, 431."""
        try:
            while (event := peer.http.next_event()) is h11.NEED_DATA:
                begun = fresh or bool(peer.http.trailing_data[0])
                async with asyncio.timeout(max(0.01, until - time.monotonic())):
                    data = await peer.reader.read(HEAD_BLOCK)
                if data and not begun:
                    until = time.monotonic() + self.limits.header_seconds
                peer.receive(data)
        except TimeoutError:
            if not peer.http.trailing_data[0]:
                return None
            raise RefusalError(
                408, "too_slow", f"the headers did not arrive within {self.limits.header_seconds:g} s", where="headers"
            ) from None
        if not isinstance(event, h11.Request):
            return None
        if sum(len(name) + len(value) + 4 for name, value in event.headers) + len(event.target) > HEADER_BYTES:
            raise _too_large()
        return event

    async def _again(self, peer: Peer) -> bool:
        """Whether the connection goes on. Where it does not, and the client may still be sending, that is read for a while: closing
        at once would take away the answer before it is read."""
        _whole(peer)
        if peer.http.our_state is h11.DONE and peer.http.their_state is h11.DONE:
            peer.http.start_next_cycle()
            return True
        if peer.http.our_state not in (h11.DONE, h11.MUST_CLOSE) or peer.http.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED):
            return False
        left = self.limits.linger_bytes
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self.limits.linger_seconds):
                while left > 0 and (data := await peer.reader.read(BLOCK)):
                    left -= len(data)
        return False


async def _answer(peer: Peer, refusal: RefusalError, told: Told) -> None:
    """As long as no answer has begun; else the connection just ends."""
    told.refused = refusal.code
    if peer.http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return
    _whole(peer)
    body = refusal.body(told.request_id)
    headers = [*refusal.headers, (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers.append((b"x-request-id", told.request_id.encode()))
    if peer.http.their_state is not h11.DONE:  # the rest would be taken for the next request
        headers.append((b"connection", b"close"))
    await peer.send(h11.Response(status_code=refusal.status, headers=headers))
    await peer.send(h11.Data(data=b"" if told.method == "HEAD" else body))
    await peer.send(h11.EndOfMessage())


def _whole(peer: Peer) -> None:
    """What has arrived of the request's body already is taken, so that a small one does not cost the connection."""
    with contextlib.suppress(h11.RemoteProtocolError):
        while peer.http.their_state is h11.SEND_BODY and isinstance(peer.http.next_event(), h11.Data | h11.EndOfMessage):
            pass


def _malformed(error: h11.RemoteProtocolError) -> RefusalError:
    if error.error_status_hint == 431:
        return _too_large()
    return RefusalError(error.error_status_hint, "invalid_request", f"this is no HTTP/1.1: {str(error)[:100]}", where="request")


def _too_large() -> RefusalError:
    return RefusalError(431, "too_large", f"the headers are larger than {HEADER_BYTES} bytes", where="headers", hint="send less")
