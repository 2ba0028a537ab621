"""HTTP/2 by hand at a real gateway: what no gRPC client would do, and what the gateway makes of it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest

from pools.gateway import http2
from pools.gateway.server import Limits
from tests.patience import PATIENCE
from tests.pools.gateway.running import Running, gateway

PATH = b"/arrow.flight.protocol.FlightService/DoAction"
Done = Callable[[list[h2.events.Event]], bool]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    limits = Limits(quiet_seconds=2.0)
    with gateway(tmp_path_factory.mktemp("gateway"), limits=limits, flight=("127.0.0.1:1",)) as found:
        yield found


class Hand:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.http.initiate_connection()
        self.events: list[h2.events.Event] = []

    def ask(self, *more: tuple[bytes, bytes], path: bytes = PATH, kind: bytes = b"application/grpc", method: bytes = b"POST") -> int:
        number = self.http.get_next_available_stream_id()
        head = [(b":method", method), (b":scheme", b"https"), (b":authority", b"x"), (b":path", path), (b"content-type", kind)]
        self.http.send_headers(number, [*head, *more], end_stream=True)
        return number

    async def until(self, done: Done) -> None:
        """Read until it holds, or the connection ends."""
        self.writer.write(self.http.data_to_send())
        async with asyncio.timeout(PATIENCE):
            while not done(self.events) and (data := await self.reader.read(65536)):
                self.events += self.http.receive_data(data)
                self.writer.write(self.http.data_to_send())

    def said(self, number: int) -> dict[str, str]:
        return {
            name: value
            for event in self.events
            if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived) and event.stream_id == number
            for name, value in event.headers  # type: ignore[union-attr]
        }


async def cut(writer: asyncio.StreamWriter) -> None:
    """Without the goodbye of TLS, which the gateway need not answer."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


def by_hand(running: Running, work: Callable[[Hand], Awaitable[None]]) -> None:
    async def run() -> None:
        context = ssl.create_default_context(cafile=running.certificates.root)
        context.set_alpn_protocols(["h2"])
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=context)
        try:
            await work(Hand(reader, writer))
        finally:
            await cut(writer)

    asyncio.run(run())


def ended(number: int) -> Done:
    return lambda events: any(isinstance(event, h2.events.StreamEnded) and event.stream_id == number for event in events)


def gone(events: list[h2.events.Event]) -> bool:
    return any(isinstance(event, h2.events.ConnectionTerminated) for event in events)


def test_what_is_refused_is_said_as_grpc_says_it(running: Running) -> None:
    async def work(hand: Hand) -> None:
        asked = {
            hand.ask(): "16",
            hand.ask((b"authorization", b"Bearer x.y.z")): "16",
            hand.ask((b"authorization", b"Basic YWxpY2U6eA==")): "16",
            hand.ask((b"authorization", b"Bearer " + running.changed(roles=[]).encode())): "7",
            hand.ask((b"authorization", b"Bearer " + running.token().encode()), path=b"/some.Service/Call"): "12",
            hand.ask((b"authorization", b"Bearer " + running.token().encode())): "14",
        }
        for number, status in asked.items():
            await hand.until(ended(number))
            said = hand.said(number)
            assert (said[":status"], said["content-type"], said["grpc-status"]) == ("200", "application/grpc", status)
            assert said["grpc-message"]

    by_hand(running, work)


def test_over_http2_only_grpc_is_served(running: Running) -> None:
    async def work(hand: Hand) -> None:
        for number in (hand.ask(path=b"/healthz", method=b"GET"), hand.ask(kind=b"application/json")):
            await hand.until(ended(number))
            assert hand.said(number)[":status"] == "415"

    by_hand(running, work)


def test_who_speaks_both_gets_http_1(running: Running) -> None:
    async def run() -> str | None:
        context = ssl.create_default_context(cafile=running.certificates.root)
        context.set_alpn_protocols(["h2", "http/1.1"])
        _, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=context)
        agreed: str | None = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        await cut(writer)
        return agreed

    assert asyncio.run(run()) == "http/1.1"


def test_headers_that_are_too_large_end_the_connection(running: Running) -> None:
    async def work(hand: Hand) -> None:
        hand.ask(*((f"x-{number}".encode(), b"y" * 1000) for number in range(20)))
        await hand.until(gone)
        assert gone(hand.events)

    by_hand(running, work)


def test_opening_and_taking_back_ends_the_connection(running: Running) -> None:
    async def work(hand: Hand) -> None:
        for _ in range(http2.RESETS + 2):
            number = hand.http.get_next_available_stream_id()
            head = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"x"), (b":path", PATH)]
            hand.http.send_headers(number, [*head, (b"content-type", b"application/grpc")])
            hand.http.reset_stream(number)
        await hand.until(gone)
        assert gone(hand.events)

    by_hand(running, work)


def test_what_is_no_http2_ends_the_connection(running: Running) -> None:
    async def work(hand: Hand) -> None:
        hand.writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 3)
        async with asyncio.timeout(PATIENCE):
            while await hand.reader.read(65536):
                pass

    by_hand(running, work)


def test_a_quiet_connection_is_told_to_go(running: Running) -> None:
    async def work(hand: Hand) -> None:
        await hand.until(gone)
        assert gone(hand.events)

    by_hand(running, work)


def test_at_the_end_clients_are_told_to_go_elsewhere(tmp_path: Path) -> None:
    answered, last = threading.Event(), []

    async def work(hand: Hand) -> None:
        number = hand.ask()
        await hand.until(ended(number))
        answered.set()
        await hand.until(gone)
        last.extend(event.last_stream_id for event in hand.events if isinstance(event, h2.events.ConnectionTerminated))

    with gateway(tmp_path) as running:
        client = threading.Thread(target=by_hand, args=(running, work))
        client.start()
        assert answered.wait(PATIENCE)
    client.join(PATIENCE)
    assert last == [1]
