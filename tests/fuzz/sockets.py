"""The same over sockets: a compute replica's SQL and Flight, a shard's Flight, the controller's HTTP; real processes, or in this one.

Wrong is what lets in (AuthenticationOk, an answer of a guarded route, of an action), and a service that is gone, or writes of a defect.
"""

from __future__ import annotations

import json
import random
import socket
import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pyarrow as pa
from pyarrow import flight

from tests.fuzz.gateway_parsers import connections
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import Outcome
from tests.pools.gateway.running import Running

SECONDS = 20.0
QUIET_SECONDS = 3.0
AUTHENTICATED = b"R\x00\x00\x00\x08\x00\x00\x00\x00"
STARTUP = b"\x00\x03\x00\x00user\0alice\0database\0bdc\0\0"
SCRAM = b"SCRAM-SHA-256\0\x00\x00\x00\x20n,,n=alice,r=rOprNGfwEbeRWgbNEkqO"


def packet(body: bytes, kind: bytes = b"") -> bytes:
    """With its length, and its type where it has one."""
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def exchanged(port: int, data: bytes) -> bytes:
    """What comes back until the other side is done, or says no more."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(data)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                answer += part
    return answer


def sql(port: int, count: int, chance: random.Random, outcome: Outcome) -> None:
    """pgwire at a compute replica: start-ups, and what follows one."""
    good = (packet(STARTUP), packet(b"\x04\xd2\x16\x2f") + packet(STARTUP), packet(STARTUP) + packet(SCRAM, b"p"))
    _each("sql", count, outcome, lambda: AUTHENTICATED in exchanged(port, mutated(good, chance)))


def http(port: int, count: int, chance: random.Random, outcome: Outcome, tokens: Iterable[str]) -> None:
    """A guarded route of the controller: requests with bad tokens, and bytes that are no requests."""
    heads = [f"GET /api/v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n" for token in tokens]
    good = [head.encode() for head in heads]

    def one() -> bool:
        data = mutated(good, chance)
        if any(each.rstrip() in data for each in good):
            return False  # the token itself was left as it was
        answer = exchanged(port, data)
        if b" 500 " in answer[:20]:
            outcome.crashes.append(f"http: 500 on {data[:300]!r}")
        return b'"created_at"' in answer and not _same_token(data, heads)

    _each("http", count, outcome, one)


def apps(port: int, token: str, count: int, chance: random.Random, outcome: Outcome) -> None:
    """The app proxy: requests of an owner, whose token stays as it is or is changed too; no app is there. A defect is wrong, and
    whatever a changed token gets."""
    asked = (
        b"POST /api/app/house/v1/run",
        b"GET /api/v1/apps",
        b"GET /api/v1/apps/house/v1/history?limit=10&run=7",
        b"GET /api/v1/apps/house/v1/log?lines=100&predictions=true",
        b"POST /api/v1/apps/house/v1/canary?percent=10",
        b"POST /api/app/house/live/v2/models/house/versions/v1/infer",
        b"GET /api/v1/app-secrets/house",
        b"POST /api/app/house/v1/batch",
        b"POST /api/v1/apps",
    )
    rest = b' HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: 7\r\nContent-Length: 16\r\n%b\r\n{"x": [1, "2"]}\r\n'
    login = b"Authorization: Bearer %b\r\n" % token.encode()

    def one() -> bool:
        data = mutated([line + rest % b"" for line in asked], chance)
        known = chance.random() < 0.5
        shown = login if known else mutated([login], chance)
        answer = exchanged(port, data.replace(b"\r\n", b"\r\n" + shown, 1))
        if b" 500 " in answer[:20]:
            outcome.crashes.append(f"apps: 500 on {data[:300]!r}: {answer[-300:]!r}")
        return not known and answer.startswith(b"HTTP/1.1 2") and b'"ok"' not in answer and token[:-2].encode() not in shown

    _each("apps", count, outcome, one)


def gateway(running: Running, count: int, chance: random.Random, outcome: Outcome) -> None:
    """The gateway's TLS port: connections of HTTP/2 with calls of gRPC, and requests of HTTP/1.1, all by nobody's token;
    several at once, since the gateway waits for the rest of some."""
    head = b"%b HTTP/1.1\r\nHost: gw:30443\r\nConnection: close\r\nAuthorization: Bearer x.y.z\r\n%b\r\n"
    requests = (
        head % (b"GET /webhdfs/v1/a?op=OPEN&doas=root", b""),
        head % (b"GET /api/v1/users", b"X-Request-Id: 7\r\n"),
        head % (b"POST /api/v1/users", b"Transfer-Encoding: chunked\r\n") + b"3\r\nabc\r\n0\r\n\r\n",
    )
    plain, calls = running.context, ssl.create_default_context(cafile=running.certificates.root)
    calls.set_alpn_protocols(["h2"])

    def one(chosen: tuple[bool, bytes]) -> str | None:
        called, data = chosen
        try:
            answer = _over_tls(running.port, calls if called else plain, data, ends=called)
        except OSError as error:
            return f"gateway: {error} on {data[:300]!r}"
        return f"gateway: 500 on {data[:300]!r}" if b" 500 " in answer[:20] else None

    before = len(running.lines)
    chosen = [(called := chance.random() < 0.5, mutated(connections() if called else requests, chance)) for _ in range(count)]
    with ThreadPoolExecutor(16) as together:
        outcome.crashes += filter(None, together.map(one, chosen))
    outcome.inputs += count
    outcome.by_target["gateway"] = count
    said = running.lines[before:]
    outcome.crashes += [str(line) for line in said if "defect" in str(line["event"])]
    outcome.accepted_wrongly += [str(line) for line in said if line.get("user") is not None]


def _over_tls(port: int, context: ssl.SSLContext, data: bytes, *, ends: bool) -> bytes:
    """What comes back. ``ends``: the connection ends after ``data``, without TLS's own farewell; else the gateway ends it, or waits for
    more, which is its right."""
    answer = b""
    with (
        suppress(ConnectionError, ssl.SSLError, TimeoutError),  # cut off
        socket.create_connection(("127.0.0.1", port), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
    ):
        wrapped.sendall(data)
        wrapped.settimeout(QUIET_SECONDS)
        if ends:
            socket.socket.shutdown(wrapped, socket.SHUT_WR)
        while part := wrapped.recv(65536):
            answer += part
    return answer


def _same_token(data: bytes, heads: list[str]) -> bool:
    return any(head.split("Bearer ")[1].strip().encode()[:-2] in data for head in heads)


def bearers(client: flight.FlightClient, good: list[bytes], count: int, chance: random.Random, outcome: Outcome) -> None:
    """The compute pool's Flight: changed bearers."""

    def one() -> bool:
        data = mutated(good, chance)
        text = "".join(chr(code) for code in data if 32 < code < 127)
        if text.encode()[:-1] == good[0][:-1]:
            return False
        return _let_in(client, "status", b"{}", [(b"authorization", f"Bearer {text}".encode())])

    _each("flight bearer", count, outcome, one)


def messages(client: flight.FlightClient, headers: list[tuple[bytes, bytes]], count: int, chance: random.Random, outcome: Outcome) -> None:
    """The compute pool's actions, of who is logged in: any bytes as bodies. Only a defect is wrong."""
    good = [
        json.dumps({"load": "00000000-0000-0000-0000-000000000000", "winners": [[0, 0, {"0": 1}]], "seconds": 60}).encode(),
        json.dumps({"table": "nowhere.t", "mode": "append"}).encode(),
        json.dumps({"sql": "SELECT 1 AS one"}).encode(),
    ]
    names = ("commit", "begin", "status", "renew", "abort", "read")

    def one() -> bool:
        name, body = chance.choice(names), mutated(good, chance)
        try:
            list(client.do_action(flight.Action(name, body), flight.FlightCallOptions(headers=headers, timeout=SECONDS)))
        except (pa.ArrowException, OSError) as error:
            if '"XX' in str(error):
                outcome.crashes.append(f"flight {name}: {str(error)[:200]} on {body[:200]!r}")
        return False

    _each("flight message", count, outcome, one)


def tickets(client: flight.FlightClient, good: list[bytes], count: int, chance: random.Random, outcome: Outcome) -> None:
    """A shard: changed tickets, in actions and as tickets of a read."""

    def one() -> bool:
        data = mutated(good, chance)
        if any(data.partition(b" ")[0][:-1] == each[:-1] for each in good):
            return False  # the signed part was left as it was
        if chance.random() < 0.5:
            return _let_in(client, "tables", json.dumps({"ticket": data.decode("latin-1")}).encode(), [])
        try:
            client.do_get(flight.Ticket(data), flight.FlightCallOptions(timeout=SECONDS)).read_all()
        except (pa.ArrowException, OSError) as error:
            if "Unauthenticated" not in str(error) and '"28000"' not in str(error):
                outcome.crashes.append(f"shard ticket: {str(error)[:200]} on {data[:200]!r}")
            return False
        return True

    _each("shard tickets by socket", count, outcome, one)


def _let_in(client: flight.FlightClient, action: str, body: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    try:
        list(client.do_action(flight.Action(action, body), flight.FlightCallOptions(headers=headers, timeout=SECONDS)))
    except (pa.ArrowException, OSError) as error:
        if not any(code in str(error) for code in ('"28000"', '"28P01"', '"08P01"')):
            raise OSError(f"neither in nor refused: {str(error)[:300]} on {body[:200]!r} {headers!r}") from None
        return False
    return True


def _each(name: str, count: int, outcome: Outcome, one: Callable[[], bool]) -> None:
    for number in range(count):
        try:
            if one():
                outcome.accepted_wrongly.append(f"{name}: input {number}")
        except OSError as error:
            outcome.crashes.append(f"{name}: input {number}: {error}")
    outcome.inputs += count
    outcome.by_target[name] = count
