"""SCRAM keys instead of passwords: derivation after RFC 7677, and a server that lies."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import struct
import threading

import pytest

from bdc import scram
from bdc.errors import ServiceError, UnreachableError


def test_keys_of_rfc_7677() -> None:
    """RFC 7677 §3: user "user", password "pencil"; the proofs there follow from our keys."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    keys = scram.derive("pencil", salt, 4096, 1.0)
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}".encode()
    client, server = base64.b64decode(keys.client_key), base64.b64decode(keys.server_key)
    signature = hmac.digest(hashlib.sha256(client).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(client, signature, strict=True))
    assert base64.b64encode(proof) == b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert base64.b64encode(hmac.digest(server, message, "sha256")) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert keys.client_key not in repr(keys)


def message(payload: bytes, kind: bytes = b"R") -> bytes:
    return kind + struct.pack("!I", len(payload) + 4) + payload


SASL = message(struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0")


@pytest.mark.parametrize(
    "answers",
    [
        [message(b"SFATAL\0\0", b"E")],
        [message(struct.pack("!I", 3))],
        [SASL, message(struct.pack("!I", 11) + b"r=x,s=!!,i=4096")],
        [SASL, message(struct.pack("!I", 11) + b"r=x,s=AAAA,i=99999999999")],
        [SASL, message(struct.pack("!I", 11) + b"nonsense")],
        [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        [b"R\xff\xff\xff\xff"],
    ],
)
def test_a_server_that_answers_otherwise(answers: list[bytes]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                for answer in answers:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ServiceError):
            scram.keys("127.0.0.1", server.getsockname()[1], "u", "p", expires=0.0)
        thread.join()


def test_nobody_answers() -> None:
    with pytest.raises(UnreachableError):
        scram.keys("127.0.0.1", 1, "u", "p", expires=0.0)
