"""What the server sends: values in, bytes out. Rows are not here: they come encoded from ``virtualization.encoding``."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

AUTHENTICATION_OK = b"R\0\0\0\x08\0\0\0\0"
PARSE_COMPLETE = b"1\0\0\0\x04"
BIND_COMPLETE = b"2\0\0\0\x04"
CLOSE_COMPLETE = b"3\0\0\0\x04"
NO_DATA = b"n\0\0\0\x04"
EMPTY_QUERY = b"I\0\0\0\x04"
PORTAL_SUSPENDED = b"s\0\0\0\x04"
REFUSED_ENCRYPTION = b"N"
ACCEPTED_ENCRYPTION = b"S"


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a RowDescription."""

    name: str
    oid: int
    length: int
    typmod: int


def message(kind: bytes, body: bytes) -> bytes:
    """A whole message."""
    return kind + struct.pack(">I", len(body) + 4) + body


def text(value: str) -> bytes:
    """A zero-terminated string; zero bytes inside would cut it, so they go."""
    return value.replace("\0", "").encode("utf-8", "replace") + b"\0"


def ready(status: str) -> bytes:
    """ReadyForQuery: ``I`` idle, ``T`` in a transaction, ``E`` in a failed one."""
    return b"Z\0\0\0\x05" + status.encode()


def parameter_status(name: str, value: str) -> bytes:
    """A setting that clients follow."""
    return message(b"S", text(name) + text(value))


def backend_key(process: int, key: bytes) -> bytes:
    """What a CancelRequest must show."""
    return message(b"K", struct.pack(">I", process) + key)


def negotiate(minor: int, unknown: Iterable[str]) -> bytes:
    """NegotiateProtocolVersion: the newest version that we speak, and the options that we don't know."""
    names = list(unknown)
    return message(b"v", struct.pack(">II", minor, len(names)) + b"".join(map(text, names)))


def sasl_mechanisms(*names: str) -> bytes:
    """AuthenticationSASL."""
    return message(b"R", struct.pack(">I", 10) + b"".join(map(text, names)) + b"\0")


def sasl_continue(data: bytes) -> bytes:
    """AuthenticationSASLContinue."""
    return message(b"R", struct.pack(">I", 11) + data)


def sasl_final(data: bytes) -> bytes:
    """AuthenticationSASLFinal."""
    return message(b"R", struct.pack(">I", 12) + data)


def command_complete(tag: str) -> bytes:
    """CommandComplete."""
    return message(b"C", text(tag))


def parameter_description(oids: Sequence[int]) -> bytes:
    """The types of a statement's parameters."""
    return message(b"t", struct.pack(f">H{len(oids)}I", len(oids), *oids))


def row_description(fields: Sequence[Field], formats: Sequence[int] = ()) -> bytes:
    """``formats``: none (text), one for all, or one each."""
    parts = [struct.pack(">H", len(fields))]
    for place, field in enumerate(fields):
        code = 0 if not formats else formats[0] if len(formats) == 1 else formats[place]
        parts.append(text(field.name) + struct.pack(">IhIhih", 0, 0, field.oid, field.length, field.typmod, code))
    return message(b"T", b"".join(parts))


def data_row(values: Sequence[bytes | None]) -> bytes:
    """One row; for the pool's own short answers only."""
    parts = [struct.pack(">H", len(values))]
    parts += [b"\xff\xff\xff\xff" if value is None else struct.pack(">I", len(value)) + value for value in values]
    return message(b"D", b"".join(parts))


def report(kind: bytes, severity: str, fields: dict[str, str | None]) -> bytes:
    """ErrorResponse (``E``) or NoticeResponse (``N``); ``fields`` by their protocol letters."""
    parts = [b"S" + text(severity), b"V" + text(severity)]
    parts += [letter.encode() + text(value) for letter, value in fields.items() if value]
    return message(kind, b"".join(parts) + b"\0")


def error(code: str, message_text: str, *, detail: str | None = None, hint: str | None = None, fatal: bool = False) -> bytes:
    """ErrorResponse."""
    return report(b"E", "FATAL" if fatal else "ERROR", {"C": code, "M": message_text, "D": detail, "H": hint})


def notice(severity: str, code: str, message_text: str) -> bytes:
    """NoticeResponse (WARNING, NOTICE)."""
    return report(b"N", severity, {"C": code, "M": message_text})
