"""What the runners of one cluster share: folder, OS users, children, and word of each other's state."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from controller.supervisor.children import Children, Identity
from controller.supervisor.errors import SupervisorError
from controller.supervisor.folder import CLUSTER_MARKER, WORKLOAD_MARKER, ClusterFolder
from controller.supervisor.rendered import Rendered

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


WORKER = "-worker-"
"""In the keys of users.json, between the name of a pool and the number of a user of its workers."""


class HasState(Protocol):
    """Anything with a state word."""

    state: str


@dataclass
class Host:
    """``users``: pool → OS user name (empty: everything runs as we do). ``save``: write processes.json."""

    folder: ClusterFolder
    children: Children
    users: Mapping[str, str]
    save: Callable[[], None]
    runners: dict[str, HasState] = field(default_factory=dict)
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def identity(self, pool: str) -> Identity | None:
        """The OS user of a pool. As root only users made for this cluster are taken, so nobody can ask for another one."""
        if os.geteuid() != 0 or not self.users:
            return None
        name = self.users.get(pool) or self._made_since().get(pool)
        if name is None:
            raise SupervisorError("invalid_workload", f"this cluster has no OS user for the pool {pool!r}")
        uid, gid = _ids(name)
        return Identity(name, uid, gid, tuple(worker.gid for worker in self.workers(pool)))

    def workers(self, pool: str) -> tuple[Identity, ...]:
        """The OS users as which the processes of a pool's service start others (``launching``); none: as its own."""
        if os.geteuid() != 0 or not self.users:
            return ()
        return tuple(Identity(name, *_ids(name)) for name in self._worker_names(pool))

    def worker_uids(self, pool: str) -> frozenset[int]:
        """Of those users that are still there."""
        there = frozenset(self._worker_names(pool)) if os.geteuid() == 0 and self.users else frozenset[str]()
        return frozenset(entry.pw_uid for entry in pwd.getpwall() if entry.pw_name in there) - {0} if there else frozenset()

    def _worker_names(self, pool: str) -> list[str]:
        prefix = f"{pool}{WORKER}"
        return [name for key, name in (self._made_since() or self.users).items() if key.startswith(prefix)]

    def _made_since(self) -> Mapping[str, str]:
        """The table with users that are younger than this supervisor: ``bdc start`` made them and wrote it anew (it is root's own)."""
        try:
            found: Mapping[str, str] = json.loads(self.folder.users.read_text())
        except (OSError, ValueError):
            return {}
        return found

    def environment(self, workload: Rendered) -> dict[str, str]:
        """Nothing is inherited: whoever started the supervisor may have had secrets in the environment."""
        base = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": str(self.folder.workload(workload.name) / "data")}
        marks = {CLUSTER_MARKER: str(self.folder.path), WORKLOAD_MARKER: workload.name}
        return {**base, **workload.environment, **marks}

    def unsatisfied(self, names: tuple[str, ...]) -> list[str]:
        """Those of ``names`` that are not ready or done, each with its state."""
        states = {name: self.runners[name].state if name in self.runners else "not asked for" for name in names}
        return [f"{name} ({state})" for name, state in states.items() if state not in ("ready", "done")]

    def changed(self) -> None:
        """Some runner's state changed: save it and wake those who wait for it."""
        self.save()
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    async def next_change(self) -> None:
        """Until any state changes."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future


def _ids(name: str) -> tuple[int, int]:
    """uid and gid. SupervisorError where there is no such user, or it is root."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise SupervisorError("cannot_start", f"the OS user {name} does not exist", "bdc start makes it again") from None
    if entry.pw_uid == 0 or entry.pw_gid == 0:
        raise SupervisorError("cannot_start", f"the OS user {name} is root")
    return entry.pw_uid, entry.pw_gid
