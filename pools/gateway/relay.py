"""A request passed on, and its answer back: both directions at once, so that a server may answer before it has read everything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import h11

from pools.gateway.errors import RefusalError
from pools.gateway.peer import Headers, Peer

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade".split()
)
"""Of one connection (RFC 9110, 7.6.1): never passed on."""
OURS = frozenset(b"host expect content-length forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip".split())
"""What the gateway says itself, or nobody."""

Change = Callable[[h11.Response, Peer], Awaitable[tuple[Headers, bytes | None]]]
"""The answer's headers for the client and, where it was read and is another one now, the whole body."""


def passed_on(headers: Headers, only: frozenset[bytes] | None = None) -> list[tuple[bytes, bytes]]:
    """Headers that may go to the other side; ``only``: of these."""
    named = {part.strip().lower() for name, value in headers if name == b"connection" for part in value.split(b",")}
    kept = [(name, value) for name, value in headers if name not in HOP_BY_HOP and name not in OURS and name not in named]
    return [(name, value) for name, value in kept if only is None or name in only]


def framing(headers: Headers) -> list[tuple[bytes, bytes]]:
    """How long a body is, as its sender said."""
    found = dict(headers)
    if b"transfer-encoding" in found:
        return [(b"transfer-encoding", b"chunked")]
    return [(b"content-length", found[b"content-length"])] if b"content-length" in found else []


async def relay(client: Peer, upstream: Peer, request: h11.Request, change: Change, most: int | None = None) -> None:
    """``request`` is sent to ``upstream``, the body behind it (``most`` bytes), and the answer to ``client``. What fails on the client's
    side is raised (ConnectionError, TimeoutError, h11.RemoteProtocolError), what fails behind us is a RefusalError as long as no answer
    has begun."""
    try:
        await upstream.send(request)
    except (OSError, h11.LocalProtocolError) as error:
        raise _away(error) from None
    upload = asyncio.create_task(_upload(client, upstream, most))
    try:
        response = await _response(upstream, upload)
        headers, body = await change(response, upstream)
        await client.send(h11.Response(status_code=response.status_code, headers=list(headers), reason=response.reason))
        if body is None:
            await _download(upstream, client)
        else:
            await client.send(h11.Data(data=body))
        await client.send(h11.EndOfMessage())
    finally:
        upload.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError, h11.ProtocolError, RefusalError):
            await upload


async def _response(upstream: Peer, upload: asyncio.Task[None]) -> h11.Response:
    """The answer, or why there is none: what the client did wrong meanwhile comes first."""
    waiting = asyncio.create_task(_answer(upstream))
    try:
        await asyncio.wait({waiting, upload}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done() and upload.done() and not upload.cancelled() and (error := upload.exception()) is not None:
            raise error
        return await waiting
    finally:
        waiting.cancel()


async def _answer(upstream: Peer) -> h11.Response:
    try:
        while not isinstance(event := await upstream.next(), h11.Response):
            if not isinstance(event, h11.InformationalResponse):
                raise _away(None)
    except (OSError, h11.RemoteProtocolError) as error:
        raise _away(error) from None
    return event


async def _upload(client: Peer, upstream: Peer, most: int | None) -> None:
    """Ends quietly where the server takes no more: its answer says why. Raises what the client's side has to say."""
    sent = 0
    if client.http.they_are_waiting_for_100_continue:
        await client.send(h11.InformationalResponse(status_code=100, headers=[]))
    while isinstance(event := await client.next(), h11.Data):
        sent += len(event.data)
        if most is not None and sent > most:
            raise RefusalError(413, "too_large", f"the body is larger than {most} bytes", where="body")
        try:
            await upstream.send(h11.Data(data=event.data))
            await asyncio.sleep(0)  # an answer that is there is read before the next piece fails
        except OSError:
            return
    if not isinstance(event, h11.EndOfMessage):
        raise ConnectionResetError("the client is gone")
    with contextlib.suppress(OSError):
        await upstream.send(h11.EndOfMessage())


async def _download(upstream: Peer, client: Peer) -> None:
    try:
        while isinstance(event := await upstream.next(), h11.Data):
            await client.send(h11.Data(data=event.data))
    except h11.RemoteProtocolError as error:
        raise ConnectionResetError("the answer broke off") from error  # the client sees the end of the connection: headers are gone


def _away(error: Exception | None) -> RefusalError:
    why = "" if error is None else f" ({type(error).__name__})"
    return RefusalError(502, "unreachable", f"what is behind the gateway broke off{why}", hint="bdc status; try again")
