"""One request to MLflow, over its Unix socket, and the answer back; bodies go through piece by piece, whatever their size."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import h11

BLOCK = 256 * 1024
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade".split()
)
NOT_TOLD = HOP_BY_HOP | frozenset(
    b"host authorization cookie origin referer expect content-length forwarded x-forwarded-for x-forwarded-host x-forwarded-proto"
    b" x-real-ip x-mlflow-workspace".split()
)
"""What MLflow does not hear: above all nobody's token."""
NOT_BACK = HOP_BY_HOP | frozenset({b"date", b"server", b"set-cookie"})
Headers = list[tuple[bytes, bytes]]


class AwayError(Exception):
    """MLflow does not answer."""


class TooLargeError(Exception):
    """The body is larger than it may be; nothing was answered yet."""


class GoneError(Exception):
    """The client left."""


def asked(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> h11.Request:
    """The request as MLflow gets it: it takes only a host that it knows."""
    given = [(name.lower(), value) for name, value in headers]
    found = dict(given)
    framing = [(b"transfer-encoding", b"chunked")] if b"transfer-encoding" in found else []
    if not framing and b"content-length" in found:
        framing = [(b"content-length", found[b"content-length"])]
    kept = [(name, value) for name, value in given if name not in NOT_TOLD]
    return h11.Request(method=method, target=target, headers=[(b"host", b"localhost"), (b"connection", b"close"), *kept, *framing])


class Upstream:
    """One exchange with MLflow; close it in any case."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT)

    @classmethod
    async def connected(cls, path: str) -> Upstream:
        """AwayError."""
        try:
            return cls(*await asyncio.open_unix_connection(path))
        except OSError as error:
            raise AwayError(f"its socket can't be reached: {error.strerror or error}") from None

    async def send(self, request: h11.Request, receive: Any, most: int | None) -> None:  # noqa: ANN401 (ASGI's own shapes)
        """The request and its body. Ends quietly where MLflow takes no more: its answer says why. GoneError, TooLargeError."""
        sent, more = 0, True
        with contextlib.suppress(OSError):
            await self._say(request)
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            body, more = message.get("body", b""), message.get("more_body", False)
            sent += len(body)
            if most is not None and sent > most:
                raise TooLargeError
            try:
                if body:
                    await self._say(h11.Data(data=body))
                if not more:
                    await self._say(h11.EndOfMessage())
            except OSError:
                return

    async def _say(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def answer(self, seconds: float) -> tuple[int, Headers]:
        """Status and headers for the client. AwayError."""
        try:
            async with asyncio.timeout(seconds):
                while not isinstance(event := await self._next(), h11.Response):
                    if not isinstance(event, h11.InformationalResponse):
                        raise AwayError("it broke off")
        except TimeoutError:
            raise AwayError(f"it did not answer for {seconds:g} s") from None
        return event.status_code, [(name, value) for name, value in event.headers if name not in NOT_BACK]

    async def body(self) -> AsyncIterator[bytes]:
        """Of the answer. AwayError where it breaks off."""
        while isinstance(event := await self._next(), h11.Data):
            yield bytes(event.data)

    async def _next(self) -> Any:  # noqa: ANN401 (h11's events)
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(BLOCK))
        except (OSError, h11.RemoteProtocolError) as error:
            raise AwayError(f"it broke off: {error}") from None
        return event

    async def close(self) -> None:
        """Nothing is awaited from it any more."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
