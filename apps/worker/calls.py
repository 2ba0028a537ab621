"""One worker, seen from the host: starts the process, sends a call, gets the answer, and knows when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from apps.errors import CrashError, StartError
from apps.worker.framing import HEADER, MAX_FRAME, FrameError, decode, encode
from apps.worker.spawning import Order, OwnChildren, Running, Spawner

PATH = "/usr/local/bin:/usr/bin:/bin"
READ = 256 * 1024
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS")
DYING_SECONDS = 1.0
"""Between the end of its socket and the end of a process."""


@dataclass(frozen=True)
class Launch:
    """How the workers of a version are started.

    python       the interpreter of the app's environment
    init         the first message: ``AppSpec.init``
    scratch      below it each worker has a folder of its own, in which it runs and may write
    environment  variables: the spec's own, and what marks it as one of the cluster's processes
    processes    RLIMIT_NPROC; None: none
    written      takes what a worker writes past Python's own streams
    spawner      makes the processes
    secrets      variables that come with the first message, so that the process does not show them in /proc
    """

    python: str
    init: Mapping[str, Any]
    scratch: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    processes: int | None = None
    written: Callable[[bytes], None] = lambda _text: None
    start_seconds: float = 120.0
    spawner: Spawner = field(default_factory=OwnChildren)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


class Worker(asyncio.Protocol):
    """One process. ``call`` must not be called while another call is under way."""

    def __init__(self, launch: Launch, number: int, gone: Callable[[Worker], None]) -> None:
        self.launch = launch
        self.folder = launch.scratch / str(number)
        self.gone = gone
        self.alive = False
        self.process: Running | None = None
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport | None = None
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._calls = 0
        self._output = Output(launch.written)

    async def start(self) -> None:
        """Until the app is loaded. StartError with the reason; then no process is left."""
        try:
            self.process = await self._spawn()
        except OSError as error:
            raise StartError(f"a worker can't be started: {error.strerror or error}", where=self.launch.python) from None
        self.alive = True
        try:
            async with asyncio.timeout(self.launch.start_seconds):
                more = {"processes": self.launch.processes, "secrets": dict(self.launch.secrets)}
                first = await self._send({**self.launch.init, **more})
        except TimeoutError:
            await self.kill()
            raise StartError(f"the app was not loaded within {self.launch.start_seconds:g} s", where=str(self.launch.init["src"])) from None
        except CrashError:
            why = await self.ended(DYING_SECONDS)
            await self.kill()
            raise StartError(f"the worker ended while the app was loaded: {why}", where=str(self.launch.init["src"])) from None
        if first.get("ready") is not True:
            await self.kill()
            self.launch.written(f"{first.get('trace') or ''}{first.get('failed')}\n".encode())
            raise StartError(str(first.get("failed") or "the worker gave no answer"), where=str(self.launch.init["src"]))

    async def _spawn(self) -> Running:
        await asyncio.to_thread(self.launch.spawner.make, self.folder)
        environment = variables(self.launch.init, self.folder, self.launch.environment)
        return await self.launch.spawner.start(Order(self.launch.python, self.folder, environment, self._output.end()), self)

    async def call(self, inputs: Mapping[str, object]) -> dict[str, Any]:
        """The worker's answer as it is. CrashError when it ends meanwhile."""
        return await self._asked({"inputs": inputs})

    async def ping(self) -> None:
        """It answers, without a call of the app. CrashError."""
        await self._asked({"ping": True})

    async def _asked(self, message: dict[str, object]) -> dict[str, Any]:
        self._calls += 1
        answer = await self._send({"id": self._calls, **message})
        if answer.get("id") != self._calls:
            await self.kill()
            raise CrashError("the worker answered something else than it was asked")
        return answer

    async def _send(self, message: dict[str, object]) -> dict[str, Any]:
        if self._transport is None or not self.alive:
            raise CrashError("the worker is gone")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(encode(message))
        try:
            return await self._answer
        finally:
            self._answer = None

    async def kill(self) -> None:
        """The process and all of its session; its folder goes too."""
        self.alive = False
        if self._transport is not None:
            self._transport.abort()
        await self.ended()
        self._output.close()
        await self.launch.spawner.remove(self.folder)

    async def ended(self, dying_seconds: float = 0.0) -> str:
        """How the process ended, in words; it is killed if it has not within ``dying_seconds``."""
        if self.process is None:
            return "it was not started"
        code = await self.process.ended(dying_seconds)
        return f"it was ended by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"it ended with exit code {code}"

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's are none by their class

    def data_received(self, data: bytes) -> None:
        """A piece of a frame, a frame, or what the app wrote where it had no business to."""
        self._buffer += data
        try:
            while len(self._buffer) >= HEADER.size:
                (length,) = HEADER.unpack_from(self._buffer)
                if length > MAX_FRAME:
                    raise FrameError("too large")
                if len(self._buffer) < HEADER.size + length:
                    return
                found = decode(memoryview(self._buffer)[HEADER.size : HEADER.size + length])
                self._buffer = self._buffer[HEADER.size + length :]
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(found)
        except FrameError:
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        """The process has ended, or closed the socket, which is the same."""
        was, self.alive = self.alive, False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(CrashError("the worker ended"))
        if was:
            self.gone(self)


class Output:
    """A pipe that takes what a process writes past Python's streams, and hands it on as it comes."""

    def __init__(self, written: Callable[[bytes], None]) -> None:
        self.written = written
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self._write, True)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read, self._come)

    def end(self) -> int:
        """What the process writes to."""
        return self._write

    def _come(self) -> None:
        with contextlib.suppress(BlockingIOError):
            if text := os.read(self._read, READ):
                self.written(text)

    def close(self) -> None:
        """Twice is no error."""
        if self._read >= 0:
            self._come()
            self._loop.remove_reader(self._read)
            os.close(self._read)
            os.close(self._write)
            self._read = self._write = -1


def variables(init: Mapping[str, Any], folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    """A worker's whole environment: nothing is passed on."""
    threads = {name: str(init["threads"]) for name in THREAD_VARIABLES}
    places = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": str(folder), "TMPDIR": str(folder), "MALLOC_ARENA_MAX": "2"}
    return {**threads, **places, **more}


def base_python() -> str:
    """The interpreter of apps that need no packages of their own."""
    return sys.executable
