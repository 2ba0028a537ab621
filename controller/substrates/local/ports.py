"""Free port blocks, and who has a port that is taken: pid, command, and the cluster if it is one of ours."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.errors import ConflictError
from controller.supervisor.processes import markers, stat

PROC = Path("/proc")
LISTEN = "0A"
ESTABLISHED = "01"
BLOCK = 100
BASES: tuple[int, ...] = (*range(0, 30001, BLOCK), *range(-BLOCK, -29001, -BLOCK))
"""Offsets in the order in which they are tried; those whose ports the kernel may hand out come last."""
PRIVILEGED = 1024
USUAL_RANGE = (32768, 60999)
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
    """Who has ``port``: who listens there, else whose outgoing connection got it from the kernel."""
    return owners((port,))[port]


def owners(ports: Iterable[int]) -> dict[int, Owner]:
    """The same for each of them, with one look at all processes, however many ports."""
    wanted = set(ports)
    sockets = {f"socket:[{inode}]": (number, state == LISTEN) for number, state, inode in _table() if number in wanted}
    found: dict[int, tuple[bool, int]] = {}
    for pid in (int(entry.name) for entry in (PROC.iterdir() if sockets else ()) if entry.name.isdigit()):
        for number, listens in {sockets[name] for name in _open_files(pid) if name in sockets}:
            if number not in found or (listens and not found[number][0]):
                found[number] = listens, pid
    return {port: _owner(port, found[port][1] if port in found else None) for port in wanted}


def _owner(port: int, pid: int | None) -> Owner:
    folder = None if pid is None else cluster_folder_of(pid)
    return Owner(port, pid, None if pid is None else _command(pid), folder.name if folder else None)


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
                hint="stop that process, or set another block with spec.ports.base (for example 100)",
            )


def choose_base(
    named: Callable[[int], Iterable[tuple[str, int]]], reserved: set[int], claim: Callable[[list[int]], bool] = lambda _: True
) -> int:
    """The first base whose ports are all free, in no other cluster's spec (``reserved``), running or not, and not claimed by another
    program (``claim`` says whether they are ours now). ``named(base)``: what needs which port. Ports that the kernel hands out to outgoing
    connections are taken only when there are no others."""
    lowest, highest = outgoing_range()
    blocks: dict[int, tuple[tuple[str, int], ...]] = {base: tuple(named(base)) for base in BASES}
    _check_given([pair for pair in blocks[0] if all(pair in block for block in blocks.values())], reserved)
    valid = [base for base in BASES if all(PRIVILEGED <= port <= 65535 for _, port in blocks[base])]
    candidates = [base for base in valid if not reserved.intersection(port for _, port in blocks[base])]
    for base in sorted(candidates, key=lambda base: any(lowest <= port <= highest for _, port in blocks[base])):
        if all(is_free(port) for _, port in blocks[base]) and claim([port for _, port in blocks[base]]):
            return base
    if candidates:
        check_free(blocks[candidates[0]])
    raise ConflictError(
        "every block of ports is taken, most by other clusters",
        hint="delete one, wait for a create that goes on, or give each port in spec.ports",
    )


def _check_given(named: list[tuple[str, int]], reserved: set[int]) -> None:
    """Ports given by hand are in every block: whoever has one is told, instead of that no block is free."""
    check_free(named)
    for what, port in named:
        if port in reserved:
            raise ConflictError(
                f"{what}: port {port} is in the spec of another cluster of this machine",
                where=f"port {port}",
                hint="give another one in spec.ports, or delete that cluster",
            )


def outgoing_range() -> tuple[int, int]:
    """First and last port that the kernel may give to an outgoing connection, at any time and for as long as that lasts."""
    try:
        lowest, highest = (PROC / "sys/net/ipv4/ip_local_port_range").read_text().split()
    except OSError:
        return USUAL_RANGE
    return int(lowest), int(highest)


def connections(ports: set[int]) -> int:
    """How many connections to servers that listen on ``ports`` are open now."""
    return sum(number in ports and state == ESTABLISHED for number, state, _ in _table())


def _table() -> Iterator[tuple[int, str, str]]:
    """The kernel's TCP sockets: own port, state, inode."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            yield int(fields[1].rsplit(":", 1)[1], 16), fields[3], fields[9]


def _open_files(pid: int) -> list[str]:
    try:
        return [_target(path) for path in (PROC / str(pid) / "fd").iterdir()]
    except OSError:
        return []


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
