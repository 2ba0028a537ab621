"""Ports of the cluster that nobody on this machine reaches but root and the cluster's own OS users: HDFS's, which believe any name.

Which ones, and for whom, root's program lays down in ``closed.json`` of the supervisor's folder (``substrates/local/closed_ports.py``). The
kernel's table is made before anything listens, stays whatever becomes of the supervisor, and goes with ``bdc stop`` and ``bdc delete``.
Each few seconds it is looked at: somebody who flushes all rules of the machine takes these for that long only. Where the kernel refuses,
the cluster runs all the same, and ``warnings`` says so in its status.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import json
import logging
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from controller.supervisor import packet_filter
from controller.supervisor.folder import ClusterFolder

PREFIX = "openbdc_"
LOOK_SECONDS = 5.0
OPEN = "HDFS's ports are open to every OS user of this machine"
REFUSED = {
    errno.EPERM: ("root may not set packet filters here (no CAP_NET_ADMIN)", "start the container with --cap-add NET_ADMIN"),
    None: ("this kernel's nf_tables refuses it ({error})", "modprobe nf_tables nft_reject_inet, or a kernel that has them"),
}
OTHERWISE = "; or let nobody else onto this machine; or set spec.pools.storage.reachableBy: machine, if that is meant"
logger = logging.getLogger("supervisor")


@dataclass(frozen=True)
class Warned:
    """A sentence for people, and what to do."""

    message: str
    fix: str


@dataclass(frozen=True)
class Closed:
    """What is to hold. ``users``: numbers of OS users."""

    ports: tuple[int, ...] = ()
    users: tuple[int, ...] = ()


OPEN_TO_ALL = Closed()


class Closing:
    """Of one cluster. Keeps what it last did, so that a look that finds all as it was costs one question to the kernel."""

    def __init__(self, folder: ClusterFolder) -> None:
        self._folder = folder
        self.table = table_name(folder.path)
        self.warning: Warned | None = None
        self._held: Closed | None = None
        """None: nobody knows what another supervisor left."""
        self._rules = 0

    def hold(self) -> None:
        """Have the kernel do what is laid down. Never an error: see ``warning``."""
        wanted = _laid(self._folder.closed)
        if os.geteuid() != 0:
            return
        if not wanted.ports:
            self.end()
            self.warning = None
            return
        try:
            self._have(wanted)
        except OSError as error:
            self._held = None
            self._warn(error)
            return
        if self.warning is not None:
            logger.info("HDFS's ports are closed to other OS users now")
            self.warning = None

    def end(self) -> None:
        """Nothing is to be closed, or nothing listens any more."""
        if self._held != OPEN_TO_ALL:
            remove_rules(self._folder.path)
            self._held = OPEN_TO_ALL

    async def watch(self) -> None:
        """For as long as the cluster runs."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.hold()

    def warnings(self) -> list[dict[str, str]]:
        """For the cluster's status."""
        return [] if self.warning is None else [{"message": self.warning.message, "fix": self.warning.fix}]

    def _have(self, wanted: Closed) -> None:
        if wanted != self._held or packet_filter.rules(self.table) != self._rules:
            if wanted != self._held:
                _sweep(self.table)
            else:
                logger.warning("somebody changed or removed the kernel's table %s; it is made anew", self.table)
            packet_filter.replace(self.table, str(self._folder.path), wanted.ports, wanted.users)
            self._rules = packet_filter.rules(self.table)
            logger.info("ports %s: for the OS users %s only", _listed(wanted.ports), _listed(wanted.users))
        self._held = wanted

    def _warn(self, error: OSError) -> None:
        why, fix = REFUSED[errno.EPERM if error.errno == errno.EPERM else None]
        warning = Warned(f"{OPEN}: {why.format(error=error.strerror or error)}", fix + OTHERWISE)
        if warning != self.warning:
            logger.warning("%s; %s", warning.message, warning.fix)
            self.warning = warning


def table_name(folder: Path) -> str:
    """``openbdc_<cluster>_<digest of its folder>``: no other cluster's, whichever BDC_HOME that is in."""
    return f"{PREFIX}{folder.name}_{hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]}"


def remove_rules(folder: Path) -> None:
    """Those of the cluster in ``folder``, also of one that nobody watches any more. What can't be removed is told by ``rules_left``."""
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            packet_filter.remove(table_name(folder))


def rules_left(folder: Path) -> str | None:
    """The name of the cluster's table, if there is one; None too where nobody may ask."""
    try:
        return table_name(folder) if os.geteuid() == 0 and table_name(folder) in packet_filter.tables() else None
    except OSError:
        return None


def _laid(path: Path) -> Closed:
    """Root's own file; a user that is not there yet, or any more, has no processes to let through. Root always passes."""
    try:
        found = json.loads(path.read_text())
        ports, names = found["ports"], found["users"]
    except (OSError, ValueError, KeyError):  # a cluster that an older program laid, or one that closes nothing
        return OPEN_TO_ALL
    uids = {uid for name in names if (uid := _uid(name)) is not None}
    return Closed(tuple(sorted(int(port) for port in ports)), tuple(sorted({0, *uids})) if ports else ())


def _uid(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _sweep(own: str) -> None:
    """A cluster whose folder somebody removed without ``bdc delete`` would refuse its ports to others for ever."""
    for name, place in packet_filter.tables().items():
        whole = place.startswith("/") and len(os.fsencode(place)) < packet_filter.LONGEST_COMMENT
        if name != own and name.startswith(PREFIX) and whole and not Path(place).exists():
            logger.info("removed the kernel's table %s: its cluster's folder %s is gone", name, place)
            packet_filter.remove(name)


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
