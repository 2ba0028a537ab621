"""What goes between the app proxy and the pods of versions, which call it: they know where it is, it need not know where they are.

proxy → pod    frames as of ``apps.worker.framing``: ``{"nonce"}``, then ``{"taken": true}`` or ``{"refused": …}``, then what was asked
pod → proxy    pieces: a kind, a length, and so many bytes; first ``HELLO`` with ``op``, ``code``, ``pod`` and the proof that it may

    op "package"   ``{"bytes", "digest"}``, and then the bytes
    op "failed"    nothing more: the ``reason`` is told
    op "slot"      later the first message for a worker, and then whatever goes to it; what it answers comes as ``DATA``
    op "wanted"    of the controller: ``{"pods": […]}``

Who calls proves that it knows a token (``token``) without saying it. Where the cluster speaks TLS this does too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import struct
from collections.abc import Iterator, Mapping

PORT = 30779
"""Of the app proxy's pod."""
FRAME, PIECE = struct.Struct(">I"), struct.Struct(">BI")
HELLO, DATA, OUTPUT, ENDED, LEAVING = range(5)
"""``OUTPUT``: what a process wrote past Python's streams; ``ENDED``: its exit code, as text; ``LEAVING``: no further call, please."""
MAX_HELLO, MAX_PIECE = 64 * 1024, 1 << 20
CONTROLLER = "controller"
"""In place of a code, for the controller's own token."""
IDLE_SECONDS, BETWEEN_SECONDS, TRIES = 5, 2, 3
"""A peer that is gone without a word is noticed after some 11 s."""


def token(key: str, code: str) -> str:
    """What opens the package ``code``, and lets workers of it be offered; made from the cluster's key of this."""
    return hmac.digest(key.encode(), b"openbdc app pod\0" + code.encode(), hashlib.sha256).hex()


def proof(token: str, nonce: str, op: str) -> str:
    """That one knows the token: good for this connection and this purpose."""
    return hmac.digest(token.encode(), f"{nonce}\0{op}".encode(), hashlib.sha256).hex()


def text(message: Mapping[str, object]) -> bytes:
    """JSON."""
    return json.dumps(message, separators=(",", ":")).encode()


def piece(kind: int, content: bytes) -> bytes:
    """One of them, or several where it is long."""
    if len(content) <= MAX_PIECE:
        return PIECE.pack(kind, len(content)) + content
    return b"".join(piece(kind, content[at : at + MAX_PIECE]) for at in range(0, len(content), MAX_PIECE))


def taken(buffer: bytearray, most: int) -> Iterator[tuple[int, bytes]]:
    """The whole pieces at the beginning, which are removed. ValueError for one that is longer than ``most``."""
    while len(buffer) >= PIECE.size:
        kind, length = PIECE.unpack_from(buffer)
        if length > most:
            raise ValueError(f"a piece of {length} bytes")
        if len(buffer) < PIECE.size + length:
            return
        content = bytes(memoryview(buffer)[PIECE.size : PIECE.size + length])
        del buffer[: PIECE.size + length]
        yield kind, content


def keep_alive(connection: socket.socket) -> None:
    """Notice when the other side is gone; don't wait with small messages."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, BETWEEN_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, TRIES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * (IDLE_SECONDS + TRIES * BETWEEN_SECONDS))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
