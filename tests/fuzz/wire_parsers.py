"""The parsers of PostgreSQL's wire protocol: openings, messages, SCRAM."""

from __future__ import annotations

import base64

from pools.compute.errors import ServiceError
from pools.compute.identities import personal
from pools.compute.wire import frontend, scram
from pools.compute.wire.login import read_startup
from tests.fuzz.targets import Target


def targets() -> tuple[Target, ...]:
    """All of pgwire."""
    startup = b"\x00\x03\x00\x00user\0alice\0database\0bdc\0options\0-c search_path=x --a=b\0\0"
    opening = (
        startup,
        b"\x00\x03\x00\x02user\0fdw:alice\0_pq_.x\0y\0\0",
        b"\x04\xd2\x16\x2f",
        b"\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x02",
    )

    def opened(data: bytes) -> str | None:
        found = frontend.parse_opening(data)
        if isinstance(found, frontend.Startup):
            read_startup(found)
        return None

    messages = tuple(
        kind + (len(body) + 4).to_bytes(4, "big") + body
        for kind, body in (
            (b"Q", b"SELECT 1\0"),
            (b"P", b"s\0SELECT $1\0\x00\x01\x00\x00\x00\x17"),
            (b"B", b"p\0s\0\x00\x01\x00\x01\x00\x02\x00\x00\x00\x041234\xff\xff\xff\xff\x00\x00"),
            (b"B", b"p\0s\0\x00\x00\x01\x2c" + b"\x00\x00\x00\x01x" * 300 + b"\x00\x00"),
            (b"D", b"Ss\0"),
            (b"E", b"p\0\x00\x00\x00\x0a"),
            (b"C", b"Pp\0"),
            (b"S", b""),
            (b"p", b"SCRAM-SHA-256\0\x00\x00\x00\x05n,,n="),
        )
    )

    def decoded(data: bytes) -> str | None:
        decoder = frontend.Decoder()
        decoder.feed(data)
        for message in decoder.messages():
            if isinstance(message, frontend.Query):
                personal(message.sql, "alice", "bdc")
        return "kept more than it was given" if decoder.pending > len(data) else None

    verifier = scram.Verifier.of("secret", b"0123456789abcdef", 1)
    first = b"n,,n=alice,r=rOprNGfwEbeRWgbNEkqO"

    def dialogue(data: bytes) -> str | None:
        head, _, final = data.partition(b"|")
        talk = scram.Dialogue("alice", verifier, real=True, nonce="server")
        talk.first(head)
        if final:
            talk.final(final)
            return "logged in without the password"
        return None

    final = b"c=biws,r=rOprNGfwEbeRWgbNEkqOserver,p=" + base64.b64encode(bytes(32))

    def parsed(data: bytes) -> str | None:
        scram.Verifier.parse(data.decode("latin-1"))
        return None

    return (
        Target("pgwire opening", opening, opened, (ServiceError,), 120),
        Target("pgwire message", messages, decoded, (ServiceError,), 150),
        Target("scram", (first, b"y,,n=,r=abc"), dialogue, (ServiceError,), 40),
        Target("scram final", (first,), lambda data: dialogue(first + b"|" + data) if data != first else None, (ServiceError,), 1),
        Target("scram proof", (first,), lambda data: None if data == first else dialogue(first + b"|" + final + data), (ServiceError,), 20),
        Target("verifier", (str(verifier).encode(),), parsed, (), 20),
    )
