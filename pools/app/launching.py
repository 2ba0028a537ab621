"""Workers as OS users of their own: the proxy has no right to start any, so it asks the launcher that the supervisor put beside it
(``controller/supervisor/launcher.py``), which becomes one of the users made for this, and nobody else. The launcher is the workers' parent:
it ends them when it is asked, tells how they ended, and ends all of them when the proxy is gone."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.worker.spawning import GONE_SECONDS, Order, Running, command, connected

VARIABLE = "OPENBDC_LAUNCHER"
WORKER_SOCKET = 3
LARGEST = 1 << 17
"""Bytes of one message, as the launcher takes it."""
CLEAR_SECONDS = 60.0
HELLO_SECONDS = 60.0
logger = logging.getLogger("launching")


class Launcher:
    """The proxy's end. ``users``: (uid, gid) of each OS user that workers may have."""

    def __init__(self, connection: socket.socket) -> None:
        """Waits until the launcher tells its users. OSError, ValueError when it does not."""
        self._connection = connection
        connection.settimeout(HELLO_SECONDS)
        self.users: list[tuple[int, int]] = [(int(uid), int(gid)) for uid, gid in json.loads(connection.recv(LARGEST))["users"]]
        connection.settimeout(GONE_SECONDS)
        self._asked = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._exits: dict[int, asyncio.Future[int]] = {}

    @classmethod
    def inherited(cls) -> Launcher | None:
        """The one that this process was started with; None: it has none."""
        found = os.environ.pop(VARIABLE, None)
        if found is None:
            return None
        os.set_inheritable(int(found), False)
        return cls(socket.socket(fileno=int(found)))

    def listen(self, lost: Callable[[], None]) -> None:
        """From now on, in this event loop; ``lost``: the launcher is gone."""
        asyncio.get_running_loop().add_reader(self._connection, self._come, lost)

    def _come(self, lost: Callable[[], None]) -> None:
        try:
            message = self._connection.recv(LARGEST, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if message:
            self._told(json.loads(message))
            return
        asyncio.get_running_loop().remove_reader(self._connection)
        waiting: list[asyncio.Future[Any]] = [*self._answers.values(), *self._exits.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(OSError("the launcher of workers is gone"))
                future.exception()  # not everybody waits
        lost()

    def _told(self, told: dict[str, Any]) -> None:
        if "exit" in told:
            if (exited := self._exits.pop(told["exit"], None)) is not None and not exited.done():
                exited.set_result(int(told["code"]))
            return
        answer = self._answers.pop(told["id"], None)
        if "pid" in told:  # its end may be told before who asked for it goes on
            told["exited"] = self._exits[told["pid"]] = asyncio.get_running_loop().create_future()
        if answer is not None and not answer.done():
            answer.set_result(told)
        elif "pid" in told:
            self.tell({"op": "end", "pid": told["pid"]})  # nobody waits for it any more

    async def ask(self, message: Mapping[str, object], descriptors: tuple[int, ...] = ()) -> dict[str, Any]:
        """Its answer. OSError."""
        self._asked += 1
        number = self._asked
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self.tell({"id": number, **message}, descriptors)
        return await answer

    def tell(self, message: Mapping[str, object], descriptors: tuple[int, ...] = ()) -> None:
        """OSError. It takes each at once: it is woken by them, and forks."""
        content = json.dumps(message).encode()
        if len(content) > LARGEST:
            raise OSError("variables and secrets of the app are too long")
        socket.send_fds(self._connection, [content], list(descriptors))


@dataclass(frozen=True)
class AsUser:
    """A ``Spawner``: processes of the launcher's user ``number``, of the app that ``said`` names."""

    launcher: Launcher
    number: int
    said: str

    @property
    def group(self) -> int:
        """The user's own group, which this process is in too."""
        return self.launcher.users[self.number][1]

    async def start(self, order: Order, host: asyncio.Protocol) -> Running:
        """By the launcher. OSError."""
        return await connected(host, lambda descriptor: self._start(order, descriptor))

    async def _start(self, order: Order, descriptor: int) -> Running:
        asked = {
            "op": "start", "user": self.number, "command": command(order.python, WORKER_SOCKET), "environment": dict(order.environment),
            "folder": str(order.folder), "said": self.said,
        }  # fmt: skip
        answer = await self.launcher.ask(asked, (descriptor, order.output))
        if "pid" not in answer:
            raise OSError(str(answer.get("error")))
        return _Launched(self.launcher, answer["pid"], answer["exited"])

    def make(self, folder: Path) -> None:
        """The user may write to it, and this process: nobody else."""
        folder.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        for place in (folder.parent.parent, folder.parent):
            open_to_pass(place)
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, -1, self.group)
        folder.chmod(0o770)

    async def remove(self, folder: Path) -> None:
        """What is in it is the user's: so it is removed as that user."""
        if folder.is_dir():
            async with asyncio.timeout(CLEAR_SECONDS):
                await self.launcher.ask({"op": "clear", "user": self.number, "folder": str(folder)})
        await asyncio.to_thread(shutil.rmtree, folder, True)

    def show(self, code: Path) -> None:
        """The user, and no other one, may read this folder."""
        open_to_pass(code.parent)
        os.chown(code, -1, self.group)
        code.chmod(0o550)


def open_to_pass(folder: Path) -> None:
    """Other users may go through it to what they are allowed to, and not list it."""
    folder.chmod(0o711)


class _Launched:
    def __init__(self, launcher: Launcher, pid: int, exited: asyncio.Future[int]) -> None:
        self._launcher = launcher
        self._exited = exited
        self.pid = pid

    async def ended(self, dying_seconds: float) -> int:
        if dying_seconds and not self._exited.done():
            await asyncio.wait([self._exited], timeout=dying_seconds)
        if not self._exited.done():
            try:
                self._launcher.tell({"op": "end", "pid": self.pid})
            except OSError as error:
                logger.error("worker %d can't be ended: %s", self.pid, error)
                return -signal.SIGKILL
            await asyncio.wait([self._exited], timeout=GONE_SECONDS)
        # without the launcher none of its workers is left
        return self._exited.result() if self._exited.done() and self._exited.exception() is None else -signal.SIGKILL
