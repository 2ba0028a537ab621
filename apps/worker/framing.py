"""Frames: four bytes of length (big endian), then that many bytes of JSON. Never pickle: a worker is not trusted.

host → worker   ``init`` once (``AppSpec.init``, and secrets), then per call ``{"id", "inputs"}``, or ``{"id", "ping": true}``
worker → host   ``{"ready": true}`` or ``{"failed": sentence}`` once, then per call ``{"id", "outputs"}`` or ``{"id", "error"}``, each with
                ``console`` and ``changed``; to a ping ``{"id"}``
"""

from __future__ import annotations

import json
import socket
import struct

HEADER = struct.Struct(">I")
MAX_FRAME = 64 * 2**20
"""Bytes of one message."""


class FrameError(Exception):
    """What came is no frame."""


def encode(message: dict[str, object]) -> bytes:
    """FrameError for a message that is too large; ValueError for NaN."""
    body = json.dumps(message, allow_nan=False, separators=(",", ":")).encode()
    if len(body) > MAX_FRAME:
        raise FrameError(f"a message of {len(body)} bytes is larger than {MAX_FRAME}")
    return HEADER.pack(len(body)) + body


def decode(body: bytes | bytearray | memoryview) -> dict[str, object]:
    """FrameError for what is no JSON object."""
    try:
        found = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise FrameError(f"no JSON: {error}") from None
    if not isinstance(found, dict):
        raise FrameError("no object")
    return found


def receive(connection: socket.socket) -> dict[str, object] | None:
    """The next message; None when the other side has closed. Blocks."""
    head = _exactly(connection, HEADER.size)
    if head is None:
        return None
    (length,) = HEADER.unpack(head)
    if length > MAX_FRAME:
        raise FrameError(f"a message of {length} bytes")
    body = _exactly(connection, length)
    return None if body is None else decode(body)


def _exactly(connection: socket.socket, length: int) -> bytearray | None:
    found = bytearray(length)
    view, at = memoryview(found), 0
    while at < length:
        count = connection.recv_into(view[at:])
        if not count:
            return None
        at += count
    return found
