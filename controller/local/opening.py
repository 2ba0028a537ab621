"""Finding a cluster of this machine, and refusing what is not the caller's."""

from __future__ import annotations

import os
import re

from controller.local.errors import LocalError
from controller.substrates.local.layout import ClusterHome, cluster_home, cluster_homes

NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")


def check_name(name: str) -> None:
    """LocalError ``invalid_name``: the name becomes a folder and OS users."""
    if not NAME.fullmatch(name):
        raise LocalError(
            "invalid_name",
            f"{name[:60]!r} can't be the name of a cluster",
            where="--name",
            hint="up to 20 lower-case letters, digits and '-', starting with a letter",
        )


def existing(name: str) -> ClusterHome:
    """The home of a cluster that is there, complete or not; the caller's own, or the caller is root."""
    check_name(name)
    home = cluster_home(name)
    if not home.path.is_dir():
        known = ", ".join(other.name for other in cluster_homes()) or "none"
        raise LocalError(
            "not_found", f"there is no cluster {name!r} on this machine (there are: {known})", where=str(home.path.parent), hint="bdc list"
        )
    check_owner(home)
    return home


def complete(name: str) -> ClusterHome:
    """The home of a cluster that was ready at least once."""
    home = existing(name)
    if not home.ready_once.exists():
        raise LocalError(
            "incomplete",
            f"the creation of the cluster {name!r} broke off",
            where=str(home.path),
            hint=f"'bdc create {name}' completes it, 'bdc delete {name}' removes it",
        )
    return home


def check_owner(home: ClusterHome) -> None:
    """LocalError ``not_owner`` for somebody else's cluster."""
    uid = home.path.stat().st_uid
    if os.geteuid() not in (0, uid):
        raise LocalError(
            "not_owner", f"the cluster {home.name!r} belongs to uid {uid}", where=str(home.path), hint="run this as that user or as root"
        )
