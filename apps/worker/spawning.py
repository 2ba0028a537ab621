"""How a worker's process is made and ended: as a child of the host, as its own OS user (``OwnChildren``), or as the host brings it: by a
launcher, or in a pod of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

START = Path(__file__).with_name("start.py")
GONE_SECONDS = 10.0


@dataclass(frozen=True)
class Order:
    """``python`` runs ``start.py`` in ``folder`` with just this ``environment``; ``output`` is a descriptor of the host's, for what
    it writes."""

    python: str
    folder: Path
    environment: Mapping[str, str]
    output: int


class Running(Protocol):
    """A process and its session."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    async def ended(self, dying_seconds: float) -> int:
        """Its exit code, or minus the signal; it is killed if it has not ended within ``dying_seconds``, and so is what it left behind.
        Twice is no error."""
        ...


class Spawner(Protocol):
    """Makes processes, and the folders that they may write to."""

    async def start(self, order: Order, host: asyncio.Protocol) -> Running:
        """In a session of its own; ``host`` has the connection to it from then on. OSError, StartError."""
        ...

    def make(self, folder: Path) -> None:
        """An empty folder that the process may write to. OSError."""
        ...

    async def remove(self, folder: Path) -> None:
        """Such a folder, with what the process left in it."""
        ...


def command(python: str, socket: int) -> list[str]:
    """The worker's, in whose process ``socket`` is the descriptor."""
    return [python, "-I", "-B", str(START), str(socket)]


async def connected(host: asyncio.Protocol, start: Callable[[int], Awaitable[Running]]) -> Running:
    """A process of this machine: ``start`` is given the descriptor of its end. What ``start`` raises."""
    ours, theirs = socket.socketpair()
    try:
        process = await start(theirs.fileno())
        await asyncio.get_running_loop().connect_accepted_socket(lambda: host, ours)
    except BaseException:
        ours.close()  # a process that was made nevertheless ends with it
        raise
    finally:
        theirs.close()
    return process


class OwnChildren:
    """As the host's own user."""

    async def start(self, order: Order, host: asyncio.Protocol) -> Running:
        """A child of this process."""

        async def start(descriptor: int) -> Running:
            return _Child(await asyncio.to_thread(self._spawn, order, descriptor))

        return await connected(host, start)

    def _spawn(self, order: Order, descriptor: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command(order.python, descriptor),
            stdin=subprocess.DEVNULL,
            stdout=order.output,
            stderr=subprocess.STDOUT,
            cwd=order.folder,
            env=dict(order.environment),
            pass_fds=(descriptor,),
            start_new_session=True,
        )

    def make(self, folder: Path) -> None:
        """For this user alone."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)

    async def remove(self, folder: Path) -> None:
        """All of it is this user's."""
        await asyncio.to_thread(shutil.rmtree, folder, True)


class _Child:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    async def ended(self, dying_seconds: float) -> int:
        process = self._process
        if dying_seconds:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, dying_seconds)
        if process.poll() is None:
            self._kill()
        code = await asyncio.to_thread(process.wait, GONE_SECONDS)
        self._kill()  # what it left behind
        return code

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
