"""Starts our processes by fork from one that has their modules imported already: a second of computing saved per start, which a storm
of kills pays hundreds of times. Each is a process of its own from then on, as if it had been started by ``python -m MODULE``.

    with fork_servers() as forks:
        process = forks.start("pools.data.service", ["--config", "…"], log, {"TZ": "UTC"})      # like subprocess.Popen
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pathlib
import secrets
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

PRELOADED: Mapping[str, tuple[str, ...]] = {
    "pools.data.service": ("pools.data.service", "pyarrow.flight"),
    "pools.compute.service": ("pools.compute.service", "pools.compute.loads.service", "pools.compute.writes.transaction", "pyarrow.flight"),
}


class Forked:
    """What ``subprocess.Popen`` has, for a process that is not our child. ``told``: where it writes its exit code, if it gets that far."""

    def __init__(self, pid: int, told: pathlib.Path) -> None:
        self.pid = pid
        self._told = told
        self._descriptor: int | None = None
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            self._descriptor = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """None while it runs, afterwards its exit code; that of a kill -9 where it came to none by itself."""
        return self._code() if self._ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code when it has ended; subprocess.TimeoutExpired."""
        if not self._ended(timeout):
            raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0)
        return self._code()

    def _code(self) -> int:
        try:
            return int(self._told.read_text())
        except FileNotFoundError:
            return -signal.SIGKILL

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Nothing when it has ended."""
        if self._descriptor is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.Signals(number))

    def _ended(self, seconds: float | None) -> bool:
        if self._descriptor is not None and select.select([self._descriptor], [], [], seconds)[0]:
            os.close(self._descriptor)
            self._descriptor = None
        return self._descriptor is None


class Forks:
    """A server for each kind of process and environment, from the first that is asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._servers: dict[tuple[str, frozenset[tuple[str, str]]], subprocess.Popen[str]] = {}
        self._lock = threading.Lock()

    def start(self, module: str, arguments: Sequence[str], log: pathlib.Path, environment: Mapping[str, str]) -> Forked:
        """``log`` is appended to. ``environment``: beside this process's own."""
        told = log.with_name(f"{log.name}.{secrets.token_hex(4)}.code")
        request = {"arguments": list(arguments), "log": str(log), "code": str(told)}
        with self._lock:
            key = (module, frozenset(environment.items()))
            if key not in self._servers:
                self._servers[key] = self._stack.enter_context(_server(module, environment))
            server = self._servers[key]
            assert server.stdin is not None and server.stdout is not None
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            return Forked(int(server.stdout.readline()), told)


@contextmanager
def fork_servers() -> Iterator[Forks]:
    """Until the end of the block; what they started goes on."""
    with ExitStack() as stack:
        yield Forks(stack)


@contextmanager
def _server(module: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The environment is there before the first import."""
    command = [sys.executable, "-m", "tests.services.forkserver", module]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()


def serve(module: str) -> None:
    """The server: a request per line, the answer is the new process's id."""
    for name in PRELOADED[module]:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the children are nobody's zombies
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(module, request)
        print(child, flush=True)


def _become(module: str, request: Mapping[str, Any]) -> None:
    """In the child; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    code = 1
    try:
        code = sys.modules[module].main(request["arguments"])
        sys.stdout.flush()
        pathlib.Path(request["code"]).write_text(str(code))
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
