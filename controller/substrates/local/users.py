"""OS users: as root, each pool of a cluster runs as a user of its own, and so does each app; made at create and removed at delete.

The user's comment names the cluster's folder, so that a second BDC_HOME with a cluster of the same name can't take or remove it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.errors import ConflictError, SubstrateError
from controller.store import write_atomic
from controller.substrates.local.layout import ClusterHome, make_open
from controller.supervisor.host import WORKER

POOLS = ("control", "master", "compute", "data", "storage", "app", "gateway", "tracking")
APP_WORKERS = 16
"""Apps with an OS user of their own; more than so many share some of them."""

PREFIX = "OpenBDC "
"""Comments of users begin with it; the cluster's folder follows."""

LONGEST = 32
LOCK = Path("/run/lock/openbdc-users.lock")
BUSY_SECONDS = 20.0


def wanted() -> bool:
    """Only root can run pools as other users."""
    return os.geteuid() == 0


def user_name(cluster: str, pool: str) -> str:
    """``bdc-<cluster>-<pool>``; a cluster name too long for 32 characters is cut, with a digest to keep it apart from others."""
    room = LONGEST - len(f"bdc--{pool}")
    if len(cluster) > room:
        cluster = f"{cluster[: room - 7].rstrip('-')}-{hashlib.sha256(cluster.encode()).hexdigest()[:6]}"
    return f"bdc-{cluster}-{pool}"


def user_names(cluster: str) -> dict[str, str]:
    """Pool → OS user, and those that the workers of apps run as; empty when everything runs as the caller."""
    if not wanted():
        return {}
    workers = {f"app{WORKER}{number}": user_name(cluster, f"app-{number}") for number in range(1, APP_WORKERS + 1)}
    return {pool: user_name(cluster, pool) for pool in POOLS} | workers


def ensure_users(home: ClusterHome) -> dict[str, str]:
    """Make the users that are missing, and users.json for the supervisor. ConflictError when a name belongs to something else."""
    names = user_names(home.name)
    if names:
        with _lock():
            for name in names.values():
                _ensure(name, _comment(home))
    make_open(home.users.parent)
    write_atomic(home.users, json.dumps(names).encode(), 0o644)
    return names


def remove_users(home: ClusterHome) -> list[str]:
    """Remove this cluster's users; returns their names."""
    if not wanted():
        return []
    removed = []
    with _lock():
        for name in user_names(home.name).values():
            if _found(name) == _comment(home):
                _run(["userdel", name], name)
                removed.append(name)
    return removed


def remaining(home: ClusterHome) -> list[str]:
    """Users of this cluster that exist."""
    return [name for name in user_names(home.name).values() if _found(name) == _comment(home)]


def ids(name: str) -> tuple[int, int]:
    """(uid, gid) of an OS user."""
    entry = pwd.getpwnam(name)
    return entry.pw_uid, entry.pw_gid


def _ensure(name: str, comment: str) -> None:
    found = _found(name)
    if found is None:
        home = ["--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
        _run(["useradd", "--system", "--user-group", *home, "--comment", comment, name], name)
    elif found != comment:
        raise ConflictError(
            f"the OS user {name} exists already and is not this cluster's ({found or 'no comment'})",
            where=name,
            hint=_way_out(found),
        )


def _way_out(comment: str) -> str:
    """For who wants this cluster's name."""
    folder = Path(comment.removeprefix(PREFIX))
    if comment.startswith(PREFIX) and folder.is_dir():
        return f"choose another name, or delete that one: BDC_HOME={folder.parent.parent} bdc delete {folder.name}"
    return "choose another name for the cluster, or remove that user (userdel)"


def _comment(home: ClusterHome) -> str:
    """No colon and no comma can stand in a comment: the folder goes in as it is where it can, else as a digest."""
    path = str(home.path)
    plain = path if not set(path) & set(":,\n=") else hashlib.sha256(path.encode()).hexdigest()
    return f"{PREFIX}{plain}"


def _found(name: str) -> str | None:
    try:
        return pwd.getpwnam(name).pw_gecos
    except KeyError:
        return None


def _run(command: list[str], name: str) -> None:
    """useradd and userdel refuse while somebody else has the lock of /etc/passwd: tried again for a while."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise SubstrateError(f"{command[0]} is not installed", hint="apt-get install passwd; or run as a plain user") from None
        if done.returncode == 0:
            return
        if "lock" not in done.stderr or time.monotonic() > deadline:
            raise SubstrateError(f"{command[0]} {name} failed: {done.stderr.strip()}", where=name)
        time.sleep(0.2)


@contextmanager
def _lock() -> Iterator[None]:
    """One create or delete at a time touches the users of the machine."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
