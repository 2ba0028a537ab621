"""The cluster's secret store on one machine: files for root (or the one user) alone; the supervisor lays copies for the workloads."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from pathlib import Path

from controller import secret_values
from controller.secret_values import SEALING_KEY, TICKET_KEY, TICKET_KEYS

__all__ = ["SEALING_KEY", "TICKET_KEY", "ensure_secrets", "sealing_public_key", "ticket_public_key"]


def ensure_secrets(folder: Path, names: Collection[str]) -> None:
    """Generate what is missing; what is there is never changed, but ticket.pub, which follows ticket.key."""
    for name in sorted(set(names) - {TICKET_KEYS}):
        _create(folder / name, secret_values.new_value(name))
    if TICKET_KEYS in names:
        public = secret_values.ticket_public_keys((folder / TICKET_KEY).read_bytes())
        path = folder / TICKET_KEYS
        if not path.is_file() or path.read_bytes() != public:
            path.unlink(missing_ok=True)
            _create(path, public)


def sealing_public_key(folder: Path) -> str:
    """The public half of ``sealing.key``: standard base64 of 32 bytes."""
    return secret_values.sealing_public_key((folder / SEALING_KEY).read_bytes())


def ticket_public_key(folder: Path) -> str:
    """The public half of ``ticket.key``, with which shards verify: standard base64 of 32 bytes."""
    return secret_values.ticket_public_key((folder / TICKET_KEY).read_bytes())


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
