"""What clients send: bytes in, messages out. Pure: no sockets, no clock.

Every malformed byte becomes a ``ProtocolError``; sizes are checked before anything is collected in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pools.compute.errors import ProtocolError

PROTOCOL_3_0 = 196608
PROTOCOL_3_2 = 196610
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
CANCEL_REQUEST = 80877102

MAX_STARTUP_BYTES = 10_000
MAX_UNAUTHENTICATED_BYTES = 65_535
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_BATCH_BYTES = 128 * 1024 * 1024
"""The same for the master, whose INSERTs bring a thousand rows in one message."""

MANY_VALUES = 256
"""From so many parameters on, a Bind's values stay packed (``packed.py``, imported then: it needs numpy)."""


@dataclass(frozen=True, slots=True)
class SslRequest:
    """May we speak TLS? (``kind`` TLS) or GSS encryption (``kind`` GSS)."""

    kind: str


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Cancel what the session of this key runs."""

    process: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Startup:
    """``version``: as asked; ``parameters``: user, database, application_name, …"""

    version: int
    parameters: dict[str, str]

    @property
    def unknown_options(self) -> list[str]:
        """Protocol options (``_pq_.…``): we know none, and must say so."""
        return [name for name in self.parameters if name.startswith("_pq_.")]


@dataclass(frozen=True, slots=True)
class Password:
    """The answer to an authentication request; what it means depends on the dialogue."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Query:
    """Simple protocol: one or more statements."""

    sql: str


@dataclass(frozen=True, slots=True)
class Parse:
    """Prepare; ``oids``: types of parameters, 0 where the server is to find out."""

    name: str
    sql: str
    oids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bind:
    """Make a portal. Formats: 0 text, 1 binary; none, one for all, or one each."""

    portal: str
    statement: str
    formats: tuple[int, ...]
    values: Sequence[bytes | None]
    result_formats: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Describe:
    """``kind``: ``S`` statement, ``P`` portal."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Execute:
    """``limit``: rows to return at most, 0 for all."""

    portal: str
    limit: int


@dataclass(frozen=True, slots=True)
class Close:
    """``kind``: ``S`` statement, ``P`` portal."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Send what is pending."""


@dataclass(frozen=True, slots=True)
class Sync:
    """End of an extended sequence."""


@dataclass(frozen=True, slots=True)
class Terminate:
    """Good bye."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message of the COPY sub-protocol outside a COPY: PostgreSQL drops it too."""


Opening = SslRequest | CancelRequest | Startup
Message = Password | Query | Parse | Bind | Describe | Execute | Close | Flush | Sync | Terminate | Ignored


class Reader:
    """Takes fields off a message body; every overrun is a ``ProtocolError``."""

    __slots__ = ("_body", "_place")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._place = 0

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        if count < 0 or self._place + count > len(self._body):
            raise ProtocolError("insufficient data left in message")
        self._place += count
        return self._body[self._place - count : self._place]

    def int16(self) -> int:
        """A signed 16-bit number."""
        return int.from_bytes(self.take(2), "big", signed=True)

    def count(self) -> int:
        """How many items follow: 0 to 65,535."""
        return int.from_bytes(self.take(2), "big")

    def int32(self) -> int:
        """A signed 32-bit number."""
        return int.from_bytes(self.take(4), "big", signed=True)

    def uint32(self) -> int:
        """An unsigned 32-bit number (oids)."""
        return int.from_bytes(self.take(4), "big")

    def text(self) -> str:
        """A zero-terminated UTF-8 string."""
        end = self._body.find(b"\0", self._place)
        if end < 0:
            raise ProtocolError("invalid string in message")
        raw, self._place = self._body[self._place : end], end + 1
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise ProtocolError("invalid UTF-8 in message", hint="The pool speaks client_encoding UTF8 only.") from None

    def value(self) -> bytes | None:
        """A length and so many bytes; -1 is NULL."""
        length = self.int32()
        return None if length == -1 else self.take(length)

    def many_values(self, count: int) -> Sequence[bytes | None]:
        """The same for ``count`` (≥ 1) of them."""
        from pools.compute.wire.packed import unpack

        values, self._place = unpack(self._body, self._place, count)
        return values

    def rest(self) -> bytes:
        """All that is left."""
        raw, self._place = self._body[self._place :], len(self._body)
        return raw

    def end(self) -> None:
        """Nothing may be left."""
        if self._place != len(self._body):
            raise ProtocolError("invalid message format")


def parse_opening(body: bytes) -> Opening:
    """The first packet of a connection, without its length."""
    reader = Reader(body)
    code = reader.uint32()
    if code in (SSL_REQUEST, GSSENC_REQUEST):
        reader.end()
        return SslRequest("TLS" if code == SSL_REQUEST else "GSS")
    if code == CANCEL_REQUEST:
        process = reader.uint32()
        key = reader.rest()
        if not 4 <= len(key) <= 256:
            raise ProtocolError("invalid length of cancel key")
        return CancelRequest(process, key)
    if code >> 16 != 3:
        raise ProtocolError(f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}: server supports 3.0 to 3.2")
    parameters: dict[str, str] = {}
    while name := reader.text():
        parameters[name] = reader.text()
    reader.end()
    return Startup(code, parameters)


def _parse(reader: Reader) -> Parse:
    name, sql = reader.text(), reader.text()
    return Parse(name, sql, tuple(reader.uint32() for _ in range(reader.count())))


def _formats(reader: Reader) -> tuple[int, ...]:
    codes = tuple(reader.int16() for _ in range(reader.count()))
    if any(code not in (0, 1) for code in codes):
        raise ProtocolError("unsupported format code")
    return codes


def _bind(reader: Reader) -> Bind:
    portal, statement, formats = reader.text(), reader.text(), _formats(reader)
    count = reader.count()
    values = reader.many_values(count) if count >= MANY_VALUES else tuple(reader.value() for _ in range(count))
    if len(formats) > 1 and len(formats) != len(values):
        raise ProtocolError(f"bind message has {len(formats)} parameter formats but {len(values)} parameters")
    return Bind(portal, statement, formats, values, _formats(reader))


def _kind_and_name(reader: Reader) -> tuple[str, str]:
    kind = reader.take(1)
    if kind not in (b"S", b"P"):
        raise ProtocolError("invalid message subtype")
    return kind.decode(), reader.text()


def _ignored(reader: Reader) -> Ignored:
    reader.rest()
    return Ignored()


def _function_call(reader: Reader) -> Message:
    raise ProtocolError("fast-path function calls are not supported", hint="Use SELECT.")


_PARSERS: dict[int, Callable[[Reader], Message]] = {
    ord("Q"): lambda reader: Query(reader.text()),
    ord("P"): _parse,
    ord("B"): _bind,
    ord("D"): lambda reader: Describe(*_kind_and_name(reader)),
    ord("E"): lambda reader: Execute(reader.text(), max(0, reader.int32())),
    ord("C"): lambda reader: Close(*_kind_and_name(reader)),
    ord("H"): lambda reader: Flush(),
    ord("S"): lambda reader: Sync(),
    ord("X"): lambda reader: Terminate(),
    ord("p"): lambda reader: Password(reader.rest()),
    ord("F"): _function_call,
    ord("d"): _ignored,
    ord("c"): _ignored,
    ord("f"): _ignored,
}


def parse_message(kind: int, body: bytes) -> Message:
    """One message after the start-up: its type byte and its body."""
    parser = _PARSERS.get(kind)
    if parser is None:
        raise ProtocolError(f"invalid frontend message type {kind}")
    reader = Reader(body)
    message = parser(reader)
    reader.end()
    return message


class Decoder:
    """Cuts a stream of bytes into messages. ``opening()`` until a ``Startup`` came, then ``messages()``."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.limit = MAX_UNAUTHENTICATED_BYTES
        """Largest message accepted now; raised by whoever authenticates the client."""

    def feed(self, data: bytes) -> None:
        """Take bytes from the network."""
        self._buffer += data

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their message (or for their turn)."""
        return len(self._buffer)

    def opening(self) -> Opening | None:
        """The next start-up packet, or None while it is not complete."""
        if len(self._buffer) < 4:
            return None
        (length,) = struct.unpack_from(">I", self._buffer)
        if not 8 <= length <= MAX_STARTUP_BYTES:
            raise ProtocolError("invalid length of startup packet")
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[4:length])
        del self._buffer[:length]
        return parse_opening(body)

    def messages(self) -> Iterator[Message]:
        """All complete messages; the rest stays for later."""
        while len(self._buffer) >= 5:
            kind, length = struct.unpack_from(">BI", self._buffer)
            if kind not in _PARSERS:
                raise ProtocolError(f"invalid frontend message type {kind}")
            if not 4 <= length <= self.limit:
                raise ProtocolError(f"invalid message length {length}", hint=f"A message may have {self.limit} bytes.")
            if len(self._buffer) <= length:
                return
            body = bytes(self._buffer[5 : length + 1])
            del self._buffer[: length + 1]
            yield parse_message(kind, body)
