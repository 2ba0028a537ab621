"""Starts our processes by fork from one that has their modules imported already: a second of computing saved per start, which a storm
of kills pays hundreds of times. Each is a process of its own from then on, as if it had been started by ``python -m MODULE``.

    with fork_server("pools.data.service") as server:
        process = server.start(["--config", "…"], log, {"TZ": "UTC"})      # like subprocess.Popen
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

PRELOADED: Mapping[str, tuple[str, ...]] = {
    "pools.data.service": ("pools.data.service", "pyarrow.flight"),
    "pools.compute.service": ("pools.compute.service", "pools.compute.loads.service", "pools.compute.writes.transaction", "pyarrow.flight"),
}


class Forked:
    """What ``subprocess.Popen`` has, for a process that is not our child."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor: int | None = None
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            self._descriptor = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """None while it runs, afterwards 0: nobody can tell its exit code."""
        return 0 if self._ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """0 when it has ended; subprocess.TimeoutExpired."""
        if not self._ended(timeout):
            raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0)
        return 0

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


class ForkServer:
    """Of one module; one thread at a time asks it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, arguments: Sequence[str], log: pathlib.Path, environment: Mapping[str, str]) -> Forked:
        """``log`` is appended to."""
        assert self._process.stdin is not None and self._process.stdout is not None
        request = {"arguments": list(arguments), "log": str(log), "environment": dict(environment)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()))


@contextmanager
def fork_server(module: str, environment: Mapping[str, str] | None = None) -> Iterator[ForkServer]:
    """Until the end of the block; what it started goes on. ``environment``: what must be set before the first import."""
    command = [sys.executable, "-m", "tests.services.forkserver", module]
    variables = {**os.environ, **(environment or {})}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables) as process:
        try:
            yield ForkServer(process)
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
    os.environ.update(request["environment"])
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    code = 1
    try:
        code = sys.modules[module].main(request["arguments"])
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
