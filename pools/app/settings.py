"""The proxy's settings: a JSON file that the workload description writes. It holds no secret: the proxy verifies tokens and makes none."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from dataclasses import dataclass


@dataclass(frozen=True)
class ProxySettings:
    """``controller``: its address, where the keys that verify tokens are published; ``issuer``: of tokens; ``authority``: a PEM file that
    an https controller is verified with, None: what the machine trusts."""

    port: int
    data_folder: str
    controller: str
    issuer: str
    host: str = "127.0.0.1"
    authority: str | None = None
    address: str | None = None
    """As others reach it, ``http://HOST:PORT``; None: where it listens."""
    pod: bool = False
    """It is alone in a pod."""
    sql: str | None = None
    """Where apps that are queries log in: the master, ``HOST:PORT/DATABASE``; None: they are not served."""
    upload_bytes: int = 128 * 2**20
    ticket_keys_file: str | None = None
    """Public keys of the compute pool's tickets, with which it calls apps for its users, as they are laid."""
    ticket_public_key: str | None = None
    """In its place, where it can't be laid anew: in a pod. None as well: the compute pool may not call apps."""
    body_bytes: int = 16 * 2**20
    """Of one call."""
    drain_seconds: float = 5.0
    """Calls under way may take so long when the proxy stops."""
    metrics: str | None = None
    """Where metrics are asked for (``pools/metrics_listener.py``): ``{run}`` on one machine, ``HOST:PORT`` in a pod; None: nowhere."""

    @classmethod
    def read(cls, path: pathlib.Path) -> ProxySettings:
        """From the JSON file; ValueError names what is wrong."""
        try:
            content = json.loads(path.read_text())
            unknown = set(content) - {entry.name for entry in dataclasses.fields(cls)}
            if unknown:
                raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
            return cls(**content)
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"{path}: {error}") from error

    def json(self) -> str:
        """As ``read`` takes it."""
        return json.dumps(dataclasses.asdict(self), indent=2)
