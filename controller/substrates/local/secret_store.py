"""The cluster's secret store on one machine: files for root (or the one user) alone; the supervisor lays copies for the workloads."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

SEALING_KEY = "sealing.key"
TICKET_KEY = "ticket.key"
"""Signs the tickets of the data pool."""
RANDOM_BYTES = 32


def ensure_secrets(folder: Path, names: Iterable[str]) -> None:
    """Generate what is missing; what is there is never changed."""
    for name in names:
        _create(folder / name, _generate(name))


def sealing_public_key(folder: Path) -> str:
    """The public half of ``sealing.key``: standard base64 of 32 bytes."""
    private = X25519PrivateKey.from_private_bytes(base64.b64decode((folder / SEALING_KEY).read_bytes()))
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()


def ticket_public_key(folder: Path) -> str:
    """The public half of ``ticket.key``, with which shards verify: standard base64 of 32 bytes."""
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode((folder / TICKET_KEY).read_bytes()))
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()


def _generate(name: str) -> bytes:
    if name == SEALING_KEY:
        return base64.b64encode(X25519PrivateKey.generate().private_bytes_raw())
    if name == TICKET_KEY:
        return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw())
    return secrets.token_urlsafe(RANDOM_BYTES).encode()


def _create(path: Path, value: bytes) -> None:
    """Whole or not at all, and never over an existing one."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        return  # another create was quicker: its value holds
    finally:
        temporary.unlink()
