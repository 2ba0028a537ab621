"""Free port blocks, and who has a port that is taken: pid, command, and the cluster if it is one of ours."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from controller.errors import ConflictError
from controller.supervisor.processes import markers, stat

PROC = Path("/proc")
LISTEN = "0A"
BLOCK = 1000
HIGHEST_BASE = 30000
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Owner:
    """Who listens. ``pid`` and ``command`` are None where /proc does not let us see it (another user's process)."""

    port: int
    pid: int | None
    command: str | None
    cluster: str | None

    def sentence(self) -> str:
        """``port 31433 is taken by pid 17 (postgres -D …), of the cluster 'other'``."""
        if self.pid is None:
            return f"port {self.port} is taken by a process that this user can't see"
        of = f", of the cluster {self.cluster!r}" if self.cluster else ""
        return f"port {self.port} is taken by pid {self.pid} ({self.command}){of}"


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could bind it now (TIME_WAIT does not count)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def owner(port: int) -> Owner:
    """Who listens on ``port``."""
    inodes = _listening(port)
    for pid in (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()):
        if inodes and _holds(pid, inodes):
            folder = cluster_folder_of(pid)
            return Owner(port, pid, _command(pid), folder.name if folder else None)
    return Owner(port, None, None, None)


def cluster_folder_of(pid: int) -> Path | None:
    """The cluster that a process is of, by its own marker or an ancestor's (PostgreSQL overwrites its environment area)."""
    current: int | None = pid
    while current and current > 1:
        folder = markers(current)[0]
        if folder is not None:
            return Path(folder)
        found = stat(current)
        current = found.parent if found else None
    return None


def check_free(named: Iterable[tuple[str, int]]) -> None:
    """ConflictError for the first port that is taken, with its owner."""
    for what, port in named:
        if not is_free(port):
            raise ConflictError(
                f"{what}: {owner(port).sentence()}",
                where=f"port {port}",
                hint="stop that process, or set another block with spec.ports.base (for example 1000)",
            )


def choose_base(named: Callable[[int], Iterable[tuple[str, int]]], reserved: set[int]) -> int:
    """The lowest base whose block no cluster has and whose ports are all free. ``named(base)``: what needs which port."""
    first: ConflictError | None = None
    for base in range(0, HIGHEST_BASE, BLOCK):
        if base in reserved:
            continue
        try:
            check_free(named(base))
        except ConflictError as error:
            first = first or error
            continue
        return base
    assert first is not None
    raise first


def _listening(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _holds(pid: int, inodes: set[str]) -> bool:
    folder = PROC / str(pid) / "fd"
    try:
        names = list(folder.iterdir())
    except OSError:
        return False
    return any(_target(name) in inodes for name in names)


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _command(pid: int) -> str:
    try:
        text = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        return (text or (PROC / str(pid) / "comm").read_text().strip())[:80]
    except OSError:
        return "gone by now"
