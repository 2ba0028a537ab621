"""SCRAM-SHA-256 verifiers in PostgreSQL's form, so that a password never travels to a server, and so never into its log."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import stringprep
import unicodedata

ITERATIONS = 4096
SALT_BYTES = 16
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def scram_verifier(password: str, *, iterations: int = ITERATIONS, salt: bytes | None = None) -> str:
    """``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`` (RFC 5803), as ``pg_authid.rolpassword`` holds it."""
    if not password:
        raise ValueError("a password may not be empty")
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password).encode(), salt, iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server_key = _hmac(salted, b"Server Key")
    return f"SCRAM-SHA-256${iterations}:{_base64(salt)}${_base64(stored_key)}:{_base64(server_key)}"


def is_scram_verifier(text: str) -> bool:
    """Does ``text`` have the form that ``scram_verifier`` gives?"""
    scheme, _, rest = text.partition("$")
    numbers, _, keys = rest.partition("$")
    iterations, _, salt = numbers.partition(":")
    stored, _, server = keys.partition(":")
    try:
        lengths = [len(base64.b64decode(part, validate=True)) for part in (salt, stored, server)]
    except ValueError:
        return False
    return scheme == "SCRAM-SHA-256" and iterations.isdecimal() and lengths[0] > 0 and lengths[1:] == [32, 32]


def matches(verifier: str, password: str) -> bool:
    """Was ``verifier`` made from ``password``?"""
    if not is_scram_verifier(verifier):
        return False
    iterations, _, salt = verifier.split("$")[1].partition(":")
    again = scram_verifier(password, iterations=int(iterations), salt=base64.b64decode(salt))
    return hmac.compare_digest(again, verifier)


def saslprep(password: str) -> str:
    """RFC 4013. Like PostgreSQL and libpq, a text that the rules forbid is taken as it is, so that both sides agree."""
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character for character in password if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if not prepared or _is_prohibited(prepared):
        return password
    return prepared


def _is_prohibited(text: str) -> bool:
    if any(table(character) for character in text for table in _PROHIBITED):
        return True
    if not any(stringprep.in_table_d1(character) for character in text):
        return False
    # right-to-left text: nothing left-to-right in it, and it starts and ends right-to-left (RFC 3454, section 6)
    if any(stringprep.in_table_d2(character) for character in text):
        return True
    return not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1]))


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
