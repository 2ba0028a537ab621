"""Logging in with the password verifier of Oracle 11g: both sides prove that they know the password; it never travels."""

from __future__ import annotations

import hashlib
import os

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.services.oracle.encodings import clr4, ub

_VERIFIER_11G = 0xB152


def _cbc(key: bytes, data: bytes, *, encrypt: bool) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CBC(bytes(16)))
    step = cipher.encryptor() if encrypt else cipher.decryptor()
    return step.update(data) + step.finalize()


class Login:
    """Of one session."""

    def __init__(self, password: str) -> None:
        """``password``: of the user; a random one for a user that there is not."""
        self._password = password.encode()
        self._salt, self._part = os.urandom(10), os.urandom(48)
        self._key = hashlib.sha1(self._password + self._salt).digest() + bytes(4)

    def challenge(self) -> bytes:
        """The answer to phase one."""
        session_key = _cbc(self._key, self._part, encrypt=True).hex().upper()
        return pairs({"AUTH_SESSKEY": (session_key, 0), "AUTH_VFR_DATA": (self._salt.hex().upper(), _VERIFIER_11G)})

    def answer(self, told: dict[str, str], version: str) -> bytes | None:
        """The answer to phase two; None: the password was wrong."""
        other = _cbc(self._key, bytes.fromhex(told["AUTH_SESSKEY"]), encrypt=False)
        mixed = bytes(one ^ two for one, two in zip(self._part[16:40], other[16:40], strict=True))
        key = (hashlib.md5(mixed[:16]).digest() + hashlib.md5(mixed[16:]).digest())[:24]
        plain = _cbc(key, bytes.fromhex(told["AUTH_PASSWORD"]), encrypt=False)[16:]
        if plain[: -plain[-1]] != self._password:
            return None
        proof = os.urandom(16) + b"SERVER_TO_CLIENT"
        numbers = [int(part) for part in version.split(".")]
        packed = numbers[0] << 24 | numbers[1] << 20 | numbers[2] << 12 | numbers[3] << 8
        known = {
            "AUTH_SVR_RESPONSE": _cbc(key, proof + bytes([16]) * 16, encrypt=True).hex().upper(), "AUTH_VERSION_NO": str(packed),
            "AUTH_SESSION_ID": "1", "AUTH_SERIAL_NUM": "1", "AUTH_SC_DBUNIQUE_NAME": "STANDIN", "AUTH_SC_SERVICE_NAME": "standin",
            "AUTH_SC_INSTANCE_NAME": "standin", "AUTH_MAX_OPEN_CURSORS": "300", "AUTH_MAX_IDEN_LENGTH": "128",
        }  # fmt: skip
        return pairs({name: (value, 0) for name, value in known.items()})


def pairs(known: dict[str, tuple[str, int]]) -> bytes:
    """Keys and values as the protocol's parameters."""
    body = b"".join(clr4(name.encode()) + clr4(value.encode()) + ub(flags) for name, (value, flags) in known.items())
    return b"\x08" + ub(len(known)) + body + b"\x09" + ub(0) + ub(0)
