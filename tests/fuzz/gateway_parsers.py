"""The parsers of the gateway: connections of HTTP/2 with calls of gRPC on them, and requests to WebHDFS."""

from __future__ import annotations

import asyncio
import urllib.parse
from typing import cast

import h2.config
import h2.connection
import h2.events

from pools.bearer import BadTokenError, Tokens
from pools.gateway.errors import RefusalError
from pools.gateway.grpc import Calls, Upstreams
from pools.gateway.http2 import Link
from pools.gateway.record import Told
from pools.gateway.settings import GatewaySettings, Hdfs
from pools.gateway.streams import Stream
from pools.gateway.trust import Trust
from pools.gateway.webhdfs import call, prefix_of, redirected_json
from tests.fuzz.targets import Target

HDFS = Hdfs("nn:9870", "nn:9000", ("dn0:9864", "dn1:9864"), "proxy")
SETTINGS = GatewaySettings(("127.0.0.1",), 0, "", "", "https://127.0.0.1:1", "", "openbdc:fuzz", flight=("127.0.0.1:1",))
WEBHDFS = (
    b"/webhdfs/v1/tmp/a%20b?op=OPEN&user.name=root&doas=admin&offset=3&noredirect=true",
    b"/gateway/default/webhdfs/v1/user/x?op=CREATE&datanode=1&namenoderpcaddress=10.0.0.1:8020",
    b"/webhdfs/v1/?OP=LISTSTATUS&delegation=abc&Token=%64oas&doAs=hdfs",
)
PATH = b"/arrow.flight.protocol.FlightService/DoAction"


def targets() -> tuple[Target, ...]:
    """All of the gateway."""
    return (
        Target("http2", connections(), _connected, (), 12),
        Target("webhdfs", tuple(one for one in WEBHDFS if b".." not in one), _to_hdfs, (RefusalError,), 60),
    )


class _Nobody:
    """Tokens that are all refused: as a stand-in, since the keys are the controller's."""

    async def caller(self, authorization: bytes | None) -> None:
        raise BadTokenError("nobody is let in")


class _Writer:
    """What is written is kept."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        pass


def connections() -> tuple[bytes, ...]:
    """What a client sends: a call with a body, several with padding and settings between, one that is taken back, one that is no gRPC."""
    made = []
    for kind in range(4):
        http = h2.connection.H2Connection(h2.config.H2Configuration())
        http.initiate_connection()
        for _ in range(1 + kind):
            number = http.get_next_available_stream_id()
            content = b"application/grpc" if kind != 3 else b"text/html"
            head = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"gw"), (b":path", PATH), (b"content-type", content)]
            http.send_headers(number, [*head, (b"te", b"trailers"), (b"authorization", b"Bearer x.y.z"), (b"x-long", b"y" * 40 * kind)])
            http.send_data(number, b"\0\0\0\0\5hello", pad_length=kind or None)
            http.increment_flow_control_window(1000)
            if kind == 2:
                http.reset_stream(number)
            else:
                http.end_stream(number)
        http.ping(b"12345678")
        made.append(http.data_to_send())
    return tuple(made)


def _connected(data: bytes) -> str | None:
    return asyncio.run(_carried(data))


async def _carried(data: bytes) -> str | None:
    """A connection from its first byte to its end: every call is refused, what the gateway writes is HTTP/2, and nothing is left over."""
    reader, writer, upstreams = asyncio.StreamReader(), _Writer(), Upstreams()
    calls = Calls(SETTINGS, cast("Tokens", _Nobody()), Trust(SETTINGS))
    defects: list[str] = []
    got: list[Told] = []

    async def serve(stream: Stream) -> None:
        told = Told("127.0.0.1", request_id="0" * 32)
        got.append(told)
        try:
            told.called(stream.headers)
            await calls.serve(stream, told, upstreams)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            defects.append(f"{type(error).__name__}: {error}")

    link = Link(reader, cast("asyncio.StreamWriter", writer), serve)
    reader.feed_data(data)
    running = asyncio.create_task(link.run(5.0, 5.0))
    for _ in range(12):
        await asyncio.sleep(0)
    reader.feed_eof()
    async with asyncio.timeout(20):
        await running
    await upstreams.close()
    if defects:
        raise RuntimeError("; ".join(defects))
    if any(told.user is not None for told in got):
        return "let somebody in"
    return "streams are left" if link.streams else None


def _to_hdfs(data: bytes) -> str | None:
    """What goes to HDFS names nobody but the caller, and nowhere else."""
    target = data.decode("latin-1")
    if prefix_of(target.partition("?")[0]) is None:
        return None
    made = call(HDFS, "gw:30443", target, "alice")
    pairs = urllib.parse.parse_qsl(made.target.partition("?")[2], keep_blank_values=True)
    names = [name.lower() for name, _ in pairs]
    redirected_json(HDFS, made, b'{"Location": "http://dn0:9864/webhdfs/v1/x?op=OPEN"}')
    callers = sorted(value for name, value in pairs if name.lower() in ("doas", "user.name"))
    if callers != ["alice", "proxy"] or len(set(names)) != len(names):
        return f"asks as others: {made.target!r}"
    if made.server not in (HDFS.namenode, *HDFS.datanodes) or not (made.target.isascii() and made.target.isprintable()):
        return f"goes to {made.server} {made.target!r}"
    return None if made.target.startswith("/webhdfs/v1") and "/../" not in urllib.parse.unquote(made.target) else f"climbs: {made.target!r}"
