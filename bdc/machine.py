"""The clusters of this machine, as far as any local client may know them: ``clusters/<name>/public.json`` under ``BDC_HOME``."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from bdc.errors import NotFoundError, UserError
from bdc.names import cluster_name

SYSTEM_HOME = pathlib.Path("/var/lib/openbdc")


@dataclass(frozen=True)
class LocalCluster:
    """Name, the controller's address, the addresses of the endpoints by name, and the folder."""

    name: str
    controller: str
    folder: pathlib.Path
    endpoints: dict[str, str] = field(default_factory=dict)
    authority: str = field(default="", repr=False)
    """Certificates of the cluster's authority, PEM; empty: it speaks no TLS, or with a certificate of somebody else's."""


def homes() -> list[pathlib.Path]:
    """Where clusters may lie: ``BDC_HOME`` alone when it is set; else the system's folder and, for a plain user, the own one first."""
    given = os.environ.get("BDC_HOME")
    if given:
        return [pathlib.Path(given)]
    own = pathlib.Path.home() / ".local" / "share" / "openbdc"
    return [SYSTEM_HOME] if os.geteuid() == 0 else [own, SYSTEM_HOME]


def clusters() -> list[LocalCluster]:
    """All clusters of this machine that the caller can see, by name."""
    found = {cluster.name: cluster for cluster in _scan()}
    return [found[name] for name in sorted(found)]


def _scan() -> Iterator[LocalCluster]:
    for home in reversed(homes()):  # an own cluster hides the system's of the same name
        try:
            entries = sorted((home / "clusters").iterdir())
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        for entry in entries:
            if (entry / "public.json").is_file():
                yield _read(entry)


def cluster(name: str) -> LocalCluster:
    """The cluster of that name on this machine; NotFoundError."""
    cluster_name(name)
    for home in homes():
        entry = home / "clusters" / name
        if (entry / "public.json").is_file():
            return _read(entry)
    raise NotFoundError(f"there is no cluster {name!r} on this machine", where=str(homes()[0]), hint="'bdc list' shows those that are")


def _read(entry: pathlib.Path) -> LocalCluster:
    path = entry / "public.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        endpoints = document.get("endpoints") or []
        addresses = {str(item["name"]): str(item["endpoint"]) for item in endpoints}
        return LocalCluster(
            entry.name, str(document.get("controller") or addresses["controller"]), entry, addresses, str(document.get("authority") or "")
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} can't be read", why=str(error), hint=f"'bdc start {entry.name}' writes it anew") from error
