"""A client that speaks raw bytes, for what drivers don't do."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import socket
import struct
from collections.abc import Iterator

from tests.pools.compute.standin import PASSWORD


class RawClient:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.stream = self.socket.makefile("rb")

    @classmethod
    @contextlib.contextmanager
    def logged_in(cls, port: int, version: int = 196608, **parameters: str) -> Iterator[RawClient]:
        client = cls(port)
        with contextlib.closing(client):
            client.log_in(version, **parameters)
            yield client

    def close(self) -> None:
        self.stream.close()
        self.socket.close()

    def send(self, kind: bytes, body: bytes = b"") -> None:
        self.socket.sendall(kind + struct.pack(">I", len(body) + 4) + body)

    def startup(self, version: int, **parameters: str) -> None:
        body = struct.pack(">I", version) + b"".join(f"{k}\0{v}\0".encode() for k, v in parameters.items()) + b"\0"
        self.socket.sendall(struct.pack(">I", len(body) + 4) + body)

    def receive(self) -> tuple[str, bytes]:
        head = self.stream.read(5)
        if len(head) < 5:
            return "", b""
        kind, length = struct.unpack(">cI", head)
        return kind.decode(), self.stream.read(length - 4)

    def until(self, *kinds: str) -> list[tuple[str, bytes]]:
        found = []
        while True:
            found.append(self.receive())
            if found[-1][0] in (*kinds, ""):
                return found

    def log_in(self, version: int = 196608, **parameters: str) -> list[tuple[str, bytes]]:
        self.startup(version, **{"user": "fdw:alice", "database": "sales"} | parameters)
        before = self.until("R", "E")
        assert before[-1][0] == "R", before
        bare = "n=,r=" + "x" * 18
        first = f"n,,{bare}".encode()
        self.send(b"p", b"SCRAM-SHA-256\0" + struct.pack(">I", len(first)) + first)
        challenge = self.receive()[1][4:].decode()
        nonce, salt, iterations = (part[2:] for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), base64.b64decode(salt), int(iterations))
        key = hmac.digest(salted, b"Client Key", "sha256")
        without = f"c=biws,r={nonce}"
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{bare},{challenge},{without}".encode(), "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
        self.send(b"p", f"{without},p={proof}".encode())
        return before[:-1] + self.until("Z", "E")

    def extended_begin(self, sql: str) -> None:
        """Parse and bind the unnamed statement."""
        self.send(b"P", b"\0" + sql.encode() + b"\0\0\0")
        self.send(b"B", b"\0\0" + b"\0\0" * 3)
        self.send(b"H")
        assert [self.receive()[0], self.receive()[0]] == ["1", "2"]

    def execute(self, portal: str, limit: int) -> tuple[list[bytes], str]:
        """Rows (first column), and how it ended."""
        self.send(b"E", portal.encode() + b"\0" + struct.pack(">I", limit))
        self.send(b"H")
        messages = self.until("C", "s", "E")
        rows = [body[6:] for kind, body in messages if kind == "D"]
        kind, body = messages[-1]
        return rows, "suspended" if kind == "s" else body.rstrip(b"\0").decode()
