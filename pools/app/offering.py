"""A pod's side of its connections to the app proxy (``wire``): what it asks for, and workers that it offers."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from apps.package import MAX_ARCHIVE
from apps.spec import AppSpec
from apps.worker.calls import DYING_SECONDS, READ, Output, variables
from apps.worker.framing import HEADER, MAX_FRAME, FrameError, decode, encode
from apps.worker.spawning import Order, OwnChildren, Running
from pools.app import wire

CALL_SECONDS = 30.0
CONNECT_SECONDS = 5.0
"""A proxy in another pod than before is found by a new attempt, not by one that goes on asking the old address."""


class RefusedError(Exception):
    """The proxy does not let this pod in, or gives no answer that could be one."""


@dataclass(frozen=True)
class Calling:
    """``proxy``: ``HOST:PORT``; ``code``, ``token``: of the package; ``pod``: which one calls; ``context``: of TLS, read for each
    connection; None: without."""

    proxy: str
    code: str
    pod: str
    token: str
    context: Callable[[], ssl.SSLContext] | None


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connection(calling: Calling, op: str, **more: str) -> AsyncIterator[Streams]:
    """Let in. OSError, EOFError, RefusedError."""
    host, _, port = calling.proxy.rpartition(":")
    context = calling.context() if calling.context is not None else None
    async with asyncio.timeout(CONNECT_SECONDS):
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context, limit=READ)
    try:
        wire.keep_alive(writer.get_extra_info("socket"))
        async with asyncio.timeout(CALL_SECONDS):
            nonce = str((await frame(reader)).get("nonce"))
            hello = {"op": op, "code": calling.code, "pod": calling.pod, "proof": wire.proof(calling.token, nonce, op), **more}
            writer.write(wire.piece(wire.HELLO, wire.text(hello)))
            answer = await frame(reader)
        if answer.get("taken") is not True:
            raise RefusedError(str(answer.get("refused")))
        yield reader, writer
    finally:
        writer.transport.abort() if writer.transport.is_closing() else writer.close()


async def frame(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The next message. EOFError, RefusedError."""
    try:
        (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
        if length > MAX_FRAME:
            raise FrameError(f"a message of {length} bytes")
        return decode(await reader.readexactly(length))
    except (FrameError, struct.error) as error:
        raise RefusedError(str(error)) from None


async def call(calling: Calling, op: str, **more: str) -> None:
    """Tell something. OSError, EOFError, RefusedError."""
    async with connection(calling, op, **more):
        return


async def fetched(calling: Calling) -> tuple[bytes, str]:
    """The package's archive and its digest. OSError, EOFError, RefusedError."""
    async with connection(calling, "package") as (reader, _):
        told = await frame(reader)
        if "refused" in told:
            raise RefusedError(str(told["refused"]))
        length = int(told["bytes"])
        if length > MAX_ARCHIVE:
            raise RefusedError(f"an archive of {length} bytes")
        return await reader.readexactly(length), str(told["digest"])


@dataclass(frozen=True)
class Offer:
    """``code``: the unpacked package, ``python``: of its environment; below ``scratch`` each worker has a folder. ``busy``: the numbers of
    those that the proxy has taken."""

    calling: Calling
    spec: AppSpec
    code: Path
    scratch: Path
    python: str
    busy: set[int] = field(default_factory=set)

    async def one(self, number: int, stop: asyncio.Event, let_in: Callable[[], None]) -> None:
        """Offer a worker, and run it from when the proxy takes it until either ends. ``let_in``: told when the proxy has answered."""
        async with connection(self.calling, "slot") as (reader, writer):
            let_in()
            first, told = asyncio.create_task(frame(reader)), asyncio.create_task(stop.wait())
            try:
                await asyncio.wait([first, told], return_when=asyncio.FIRST_COMPLETED)
            finally:
                told.cancel()
                if not first.done():
                    first.cancel()
            if first.done() and not first.cancelled():
                init = await first
                self.busy.add(number)
                try:
                    await self._run(number, init, reader, writer, stop)
                finally:
                    self.busy.discard(number)

    async def _run(self, number: int, init: dict[str, Any], *ends: Any) -> None:  # noqa: ANN401 (reader, writer, stop)
        reader, writer, stop = ends
        folder, spawner, child = self.scratch / str(number), OwnChildren(), _Child(writer)
        output = Output(lambda text: writer.write(wire.piece(wire.OUTPUT, text)))
        process: Running | None = None
        try:
            await asyncio.to_thread(spawner.make, folder)
            process = await spawner.start(Order(self.python, folder, variables(init, folder, self.spec.env), output.end()), child)
            child.write(encode({**init, "folder": str(self.code)}))
            await _passed_on(reader, child, writer, stop)
        finally:
            code = 1 if process is None else await process.ended(DYING_SECONDS if child.gone.is_set() else 0.0)
            output.close()
            with contextlib.suppress(OSError):
                writer.write(wire.piece(wire.ENDED, str(code).encode()))
                await writer.drain()
            await spawner.remove(folder)


class _Child(asyncio.Protocol):
    """The worker's socket: what it says goes to the proxy as it comes."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._transport: asyncio.WriteTransport | None = None
        self.gone = asyncio.Event()

    def write(self, data: bytes) -> None:
        """To the worker."""
        if self._transport is not None:
            self._transport.write(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of one."""
        self._writer.write(wire.piece(wire.DATA, data))

    def connection_lost(self, _error: Exception | None) -> None:
        """It has ended."""
        self.gone.set()


async def _passed_on(reader: asyncio.StreamReader, child: _Child, writer: asyncio.StreamWriter, stop: asyncio.Event) -> None:
    """Until the proxy or the worker is gone; when this pod is told to end the proxy is, and ends what it does not need any more."""

    async def calls() -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(READ):
                child.write(data)

    async def told() -> None:
        await stop.wait()
        writer.write(wire.piece(wire.LEAVING, b""))

    passing, leaving = asyncio.create_task(calls()), asyncio.create_task(told())
    gone = asyncio.create_task(child.gone.wait())
    try:
        await asyncio.wait([passing, gone], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (passing, leaving, gone):
            task.cancel()
