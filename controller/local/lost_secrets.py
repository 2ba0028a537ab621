"""Files of the cluster's secret store that are lost. Each workload has a copy of what it needs, so a lost file is taken from there; a value
made anew would not be the one that the master was set up with, or that credentials were sealed for."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping, Sequence

from controller.local.errors import LocalError
from controller.local.progress import Progress
from controller.secret_values import SEALING_KEY
from controller.store import FILE_MODE, write_atomic
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.users import ids
from pools.workload import Workload

SET_UP_WITH = frozenset({"master-superuser", "pool-password", "scratch-password"})
"""PostgreSQL's own files hold the other half of these."""
MOST_BYTES = 4096


def find_again(
    home: ClusterHome, wanted: Collection[str], workloads: Sequence[Workload], users: Mapping[str, str], progress: Progress
) -> None:
    """Put back those of ``wanted`` that are gone, from the workloads' copies. LocalError for one that nothing but a backup has; what can
    be made anew, at a price, is told. Nothing to do before the cluster was ready for the first time."""
    if not home.ready_once.exists():
        return
    for name in sorted(wanted):
        path = home.secrets / name
        if path.exists():
            continue
        value = _copy(home, name, workloads, users)
        if value is not None:
            write_atomic(path, value, FILE_MODE)
            progress.tell("secrets", "preparing", f"{name} was lost; it is back, from the copy of a workload that uses it")
        elif name in SET_UP_WITH:
            raise LocalError(
                "secret_lost",
                f"the secret {name} is lost, and no workload has a copy of it: PostgreSQL was set up with it",
                where=str(path),
                hint="put the file back from a copy of the cluster's folder, or make the cluster again from a backup: bdc restore",
            )
        elif name == SEALING_KEY:
            progress.tell(
                "secrets", "preparing",
                f"{name} was lost, a new one is made: give the credentials of all data sources again (bdc source alter NAME)",
            )  # fmt: skip


def _copy(home: ClusterHome, name: str, workloads: Sequence[Workload], users: Mapping[str, str]) -> bytes | None:
    for workload in workloads:
        owner = ids(users[workload.pool])[0] if users else os.geteuid()
        for secret in workload.secrets:
            if secret.name == name and (value := _read(home, workload.name, secret.file, owner)):
                return value
    return None


def _read(home: ClusterHome, workload: str, file: str, owner: int) -> bytes | None:
    """Its content; None for whatever is not a plain file of the workload's own user. The folder is that user's: no link is followed."""
    opened: list[int] = []
    try:
        opened.append(os.open(home.workload(workload), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW))
        opened.append(os.open("secrets", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened[-1]))
        opened.append(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened[-1]))
        found = os.fstat(opened[-1])
        plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == owner and found.st_size <= MOST_BYTES
        return os.read(opened[-1], MOST_BYTES) if plain else None
    except OSError:
        return None
    finally:
        for handle in opened:
            os.close(handle)
