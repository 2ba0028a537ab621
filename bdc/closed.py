"""HDFS's own ports on the cluster's machine: where root made the cluster, the kernel refuses them to OS users other than the cluster's."""

from __future__ import annotations

import os
import pathlib
import urllib.parse

from bdc.errors import ForbiddenError

TABLES = (pathlib.Path("/proc/net/tcp"), pathlib.Path("/proc/net/tcp6"))
LISTENS = "0A"
GATEWAY = "'bdc login -e' and what 'bdc endpoint list -e gateway' shows; an administrator switches it on (spec.gateway.enabled: true)"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def closed(url: str, error: Exception) -> ForbiddenError | None:
    """The error for who was refused although somebody listens there; None: it was something else."""
    parts = urllib.parse.urlsplit(url)
    refused = isinstance(error, ConnectionRefusedError) and parts.hostname in LOOPBACK
    if not refused or os.geteuid() == 0 or parts.port is None or not listens(parts.port):
        return None
    return ForbiddenError(
        "HDFS's own ports on this machine are for the cluster's OS users only; you reach your files through the gateway",
        where=f"{parts.scheme}://{parts.netloc}",
        hint=GATEWAY,
        code="closed_port",
    )


def listens(port: int) -> bool:
    """Whether a process of this machine listens there, whoever may connect."""
    for table in TABLES:
        try:
            rows = [line.split() for line in table.read_text(encoding="ascii", errors="replace").splitlines()[1:]]
        except OSError:
            continue
        if any(row[3] == LISTENS and int(row[1].rpartition(":")[2], 16) == port for row in rows):
            return True
    return False
