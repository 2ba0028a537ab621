"""Settings of the proxy, and of the pods of versions: JSON files that the workload description writes. They hold no secret: the proxy
verifies tokens and makes none."""

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
    sql_tls: dict[str, str] = dataclasses.field(default_factory=dict)
    """What libpq is told about the master's TLS, with paths as apps see them."""
    pods_port: int = 0
    """Where pods of versions call, in a pod; 0: workers are processes below the proxy."""
    pods_key_file: str | None = None
    """Of which their tokens are made."""
    pods_seconds: float = 600.0
    """For so long a version waits for its first pod: the controller may be busy, a node pulls the image."""
    certificate: str | None = None
    """With which they are spoken to, and its key; None: without TLS."""
    certificate_key: str | None = None
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


@dataclass(frozen=True)
class HostSettings:
    """``code``: the package; ``label``: ``house@v1``; ``proxy``: ``HOST:PORT`` that it calls; ``token_file``: what it proves to know;
    ``authority``: a PEM file that the proxy is verified with, None: without TLS; ``ready_file``: written once it was let in;
    ``workers``: at once; ``drain_seconds``: calls under way may take so long when it is told to end."""

    code: str
    label: str
    proxy: str
    token_file: str
    data_folder: str
    ready_file: str
    workers: int
    drain_seconds: float
    authority: str | None = None
    pod: str = ""
    """Its name; empty: that of the machine."""

    @classmethod
    def read(cls, path: pathlib.Path) -> HostSettings:
        """From the JSON file; ValueError, OSError, TypeError."""
        return cls(**json.loads(path.read_text()))

    def json(self) -> str:
        """As ``read`` takes it."""
        return json.dumps(dataclasses.asdict(self), indent=2)
