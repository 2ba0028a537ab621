"""A Spark Connect server behind a gateway, as far as the gateway sees it: it says with which login it was called. The real one is asked by
``tests/cluster/test_gateway.py``."""

from __future__ import annotations

import asyncio
import pathlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from controller.status import EndpointStatus
from pools.gateway.http2 import Link
from pools.gateway.streams import Stream
from tests.patience import PATIENCE
from tests.pools.gateway.running import Running, gateway

SERVICE = b"/spark.connect.SparkConnectService/"
ANSWERED = [(b":status", b"200"), (b"content-type", b"application/grpc")]


@contextmanager
def stand_in() -> Iterator[int]:
    """Its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def answer(stream: Stream) -> None:
        said = dict(stream.headers).get(b"authorization", b"none")
        await stream.head([*ANSWERED, (b"grpc-status", b"0"), (b"x-called-with", said)], end=True)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await Link(reader, writer, answer).run(PATIENCE, PATIENCE)
        finally:
            writer.transport.abort()

    async def begin() -> asyncio.Server:
        return await asyncio.start_server(connected, "127.0.0.1", 0)

    async def end() -> None:
        server.close()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)  # the transports' own last step

    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(PATIENCE)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


def listed(port: int) -> EndpointStatus:
    """As the controller says it of the first server."""
    return {"name": "spark", "description": "Spark Connect", "endpoint": f"sc://localhost:{port}", "protocol": "sc"}


@contextmanager
def sparks(folder: pathlib.Path) -> Iterator[Running]:
    """The gateway; the controller's API behind it lists the stand-in as the server ``spark``."""
    with stand_in() as port, gateway(folder, spark_host="127.0.0.1") as running:
        running.api.view.more_endpoints.append(listed(port))
        yield running
