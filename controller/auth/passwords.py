"""Password hashes (scrypt) and the rules for new passwords.

The parameters lie beside each hash, so they can be raised later: old hashes stay valid and are replaced at the next change.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import os
from typing import TypedDict

from controller.errors import PasswordRuleError

# OWASP's figures for 16 MiB; about 0.2 s of one core, which the log-in limit keeps from being a lever
N, R, P = 2**14, 8, 5
SALT_BYTES = 16
HASH_BYTES = 32
MIN_LENGTH = 8
MAX_LENGTH = 256
COMMON = frozenset(
    {"password", "passw0rd", "password1", "12345678", "123456789", "1234567890", "qwertyui", "qwerty123", "iloveyou", "changeme"}
)
RULES = f"{MIN_LENGTH} to {MAX_LENGTH} characters, no control characters, not the user's name, not one of the most common passwords"


class PasswordHash(TypedDict):
    """As it lies in the user file; salt and hash in base64."""

    kind: str
    n: int
    r: int
    p: int
    salt: str
    hash: str


def hash_password(password: str) -> PasswordHash:
    """A fresh hash with a fresh salt (0.2 s)."""
    salt = os.urandom(SALT_BYTES)
    digest = _scrypt(password, salt, N, R, P)
    return {"kind": "scrypt", "n": N, "r": R, "p": P, "salt": base64.b64encode(salt).decode(), "hash": base64.b64encode(digest).decode()}


def verify_password(password: str, stored: PasswordHash | None) -> bool:
    """Whether ``password`` fits. Without a hash (unknown user) the same work is done and the answer is no."""
    known = stored if stored is not None else _nobody()
    digest = _scrypt(password[: MAX_LENGTH + 1], base64.b64decode(known["salt"]), known["n"], known["r"], known["p"])
    return hmac.compare_digest(digest, base64.b64decode(known["hash"])) and stored is not None


def check_rules(name: str, password: str) -> None:
    """PasswordRuleError names the first rule that ``password`` breaks."""
    reason = None
    if len(password) < MIN_LENGTH:
        reason = f"is shorter than {MIN_LENGTH} characters"
    elif len(password) > MAX_LENGTH:
        reason = f"is longer than {MAX_LENGTH} characters"
    elif any(not character.isprintable() for character in password):
        reason = "holds a control character"
    elif password.casefold() == name.casefold():
        reason = "is the user's name"
    elif password.casefold() in COMMON or len(set(password)) == 1:
        reason = "is one of the most common passwords"
    if reason is not None:
        raise PasswordRuleError(f"the password {reason}", where="password", hint=f"a password has {RULES}")


@functools.cache
def _nobody() -> PasswordHash:
    return hash_password(base64.b64encode(os.urandom(SALT_BYTES)).decode())


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=2 * 128 * n * r, dklen=HASH_BYTES)
