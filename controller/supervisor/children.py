"""Starting processes and learning that they ended: children by SIGCHLD, adopted ones by pidfd; orphans are reaped on the way."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
UNKNOWN_EXIT = -1000  # an adopted process is not our child: nobody tells us how it ended


@dataclass(frozen=True)
class Identity:
    """The OS user of a pool; ``groups``: others that it is in beside its own. None everywhere below means: stay who we are."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True)
class Launch:
    """How to start one process: in a session of its own, output appended to ``log``, nothing inherited but ``descriptors``."""

    command: Sequence[str]
    environment: Mapping[str, str]
    cwd: Path
    log: int
    identity: Identity | None
    descriptors: tuple[int, ...] = ()


def become_subreaper() -> None:
    """Orphans below this process become its children instead of init's."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


class Children:
    """All processes that this supervisor waits for. One per event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._exits: dict[int, asyncio.Future[int]] = {}
        loop.add_signal_handler(signal.SIGCHLD, self.reap)

    def start(self, launch: Launch) -> tuple[int, asyncio.Future[int]]:
        """(pid, future of its exit: code, or minus the signal). OSError when it can't be started."""
        identity = launch.identity
        process = subprocess.Popen(
            launch.command,
            env=dict(launch.environment),
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL,
            stdout=launch.log,
            stderr=launch.log,
            start_new_session=True,
            umask=0o077,
            user=identity.uid if identity else None,
            group=identity.gid if identity else None,
            extra_groups=list(identity.groups) if identity else None,
            pass_fds=launch.descriptors,
        )
        process.returncode = 0  # reap() below waits for it, Popen must not
        exited: asyncio.Future[int] = self._loop.create_future()
        self._exits[process.pid] = exited
        return process.pid, exited

    def adopt(self, pid: int) -> asyncio.Future[int]:
        """The exit of a running process that is not our child; the code is UNKNOWN_EXIT."""
        exited: asyncio.Future[int] = self._loop.create_future()
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            exited.set_result(UNKNOWN_EXIT)
            return exited

        def gone() -> None:
            self._loop.remove_reader(handle)
            os.close(handle)
            if not exited.done():
                exited.set_result(UNKNOWN_EXIT)

        self._loop.add_reader(handle, gone)
        return exited

    def reap(self) -> None:
        """Collect every child that ended, orphans of the pools included."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            exited = self._exits.pop(pid, None)
            if exited is not None and not exited.done():
                exited.set_result(os.waitstatus_to_exitcode(status))


def as_user(identity: Identity | None, action: Callable[[], None]) -> None:
    """Run ``action`` with the rights of that user, so that a link it laid can't lead root astray. Blocks (milliseconds).

    A forked child does it and reports by a pipe; OSError carries the child's sentence.
    """
    if identity is None:
        action()
        return
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _in_child(identity, action, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
        message = pipe.read()
    _, status = os.waitpid(pid, 0)
    if message or status != 0:
        raise OSError(f"as {identity.name}: {message or f'ended with status {status}'}")


def _in_child(identity: Identity, action: Callable[[], None], writing: int) -> None:
    code = 1
    try:
        os.setgroups([])
        os.setresgid(identity.gid, identity.gid, identity.gid)
        os.setresuid(identity.uid, identity.uid, identity.uid)
        os.umask(0o077)
        action()
        code = 0
    except Exception as error:  # noqa: BLE001 - a fork must not return into the caller's code; the parent raises it again
        os.write(writing, str(error).encode())
    finally:
        os._exit(code)


def ended(code: int) -> str:
    """How a child ended, as the end of a sentence that begins with its name."""
    if code == UNKNOWN_EXIT:
        return "ended (how, nobody saw: it was started by an earlier supervisor)"
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
