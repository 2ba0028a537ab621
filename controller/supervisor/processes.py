"""What /proc says about processes: identity (pid and start time), ancestry, and to which workload a process belongs.

A process belongs to a workload when it descends from its main process, or carries the markers in its environment, or is of
the main process's session. PostgreSQL's backends have sessions of their own and overwrite their environment area with their
title, so one whose postmaster is gone is known by its working directory below the workload's folder together with the
postmaster's program.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from controller.supervisor.folder import CLUSTER_MARKER, WORKLOAD_MARKER

PROC = Path("/proc")


@dataclass(frozen=True)
class Stat:
    """The fields of /proc/PID/stat that matter; ``started`` in clock ticks since boot."""

    pid: int
    parent: int
    session: int
    started: int
    state: str
    command: str


@dataclass(frozen=True)
class Main:
    """The main process of a workload as recorded: enough to find what it left behind."""

    pid: int
    started: int
    program: str


def boot_id() -> str:
    """Changes with every boot, so that a pid and start time of another boot never match by chance."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def stat(pid: int) -> Stat | None:
    """None when the process is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    command, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
    return Stat(pid, int(rest[1]), int(rest[3]), int(rest[19]), rest[0], command)


def alive(pid: int, started: int) -> bool:
    """Whether this very process still runs (a zombie does not)."""
    found = stat(pid)
    return found is not None and found.started == started and found.state not in "ZX"


def program(pid: int) -> str:
    """The executable's path, empty when it can't be read."""
    try:
        return str((PROC / str(pid) / "exe").readlink())
    except OSError:
        return ""


def table() -> dict[int, Stat]:
    """All processes of the machine that are not zombies."""
    found = (stat(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit())
    return {one.pid: one for one in found if one is not None and one.state not in "ZX"}


def markers(pid: int) -> tuple[str | None, str | None]:
    """(cluster folder, workload) from the environment; None where absent or unreadable."""
    try:
        text = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None, None
    values = dict(part.partition(b"=")[::2] for part in text.split(b"\0"))
    cluster, workload = values.get(CLUSTER_MARKER.encode()), values.get(WORKLOAD_MARKER.encode())
    return (os.fsdecode(cluster) if cluster else None), (os.fsdecode(workload) if workload else None)


def descendants(pid: int, processes: dict[int, Stat]) -> set[int]:
    """Everything below ``pid`` by ancestry, without ``pid`` itself."""
    children: dict[int, list[int]] = {}
    for one in processes.values():
        children.setdefault(one.parent, []).append(one.pid)
    found: set[int] = set()
    waiting = list(children.get(pid, ()))
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(children.get(current, ()))
    return found


def belonging(folder: Path, workload: str, main: Main | None, home: Path, users: frozenset[int] = frozenset()) -> set[int]:
    """All processes of one workload that still run. ``home`` is the workload's folder; ``users``: all of theirs is the workload's,
    whatever it did to its session, its parents and its variables. Never the caller itself."""
    processes = table()
    if main is not None and main.pid in processes and processes[main.pid].started != main.started:
        main = None  # the pid was given to somebody else since: nothing of ours is left in that session
    found = {pid for pid, one in processes.items() if markers(pid) == (str(folder), workload) or _left_by(main, one, home)}
    if users:
        found |= {pid for pid in processes if _user(pid) in users}
    if main is not None and alive(main.pid, main.started):
        found.add(main.pid)
    for pid in tuple(found):
        found |= descendants(pid, processes)
    return found - {os.getpid()}


def _left_by(main: Main | None, one: Stat, home: Path) -> bool:
    if main is None or one.started < main.started:
        return False
    if one.session == main.pid:
        return True
    return bool(main.program) and program(one.pid) == main.program and _works_below(one.pid, home)


def _user(pid: int) -> int | None:
    """The real user; None when it is gone."""
    try:
        lines = (PROC / str(pid) / "status").read_text(errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("Uid:")), None)


def of_cluster(folder: Path) -> dict[int, Stat]:
    """Every process that carries this cluster's marker, the supervisor and its watcher included."""
    return {pid: one for pid, one in table().items() if markers(pid)[0] == str(folder)}


def _works_below(pid: int, folder: Path) -> bool:
    try:
        return (PROC / str(pid) / "cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def kill(pids: Iterable[int], number: int = signal.SIGKILL) -> None:
    """Signal each; those already gone are no error."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
