"""A real supervisor over a cluster folder of its own, with small Python programs as workloads."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.supervisor.client import SupervisorClient
from controller.supervisor.errors import SupervisorError
from controller.supervisor.folder import ClusterFolder
from controller.supervisor.processes import kill, of_cluster
from tests.patience import PATIENCE
from tests.services.postgresql import reachable_folder

CHECKOUT = Path(__file__).parents[3]
SLEEPER = "import time\nwhile True: time.sleep(60)"
LISTENER = """
    import socket, sys
    server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        server.accept()[0].close()
"""


@dataclass
class Running:
    """``folder`` of the cluster; ``process`` is the supervisor that this test started (not one that came after it)."""

    folder: ClusterFolder
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def client(self) -> SupervisorClient:
        return SupervisorClient(self.folder.path, seconds=30)

    @property
    def pid(self) -> int:
        """Of the supervisor that answers now."""
        return int(self.client.call("ping")["pid"])

    def start(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "controller.supervisor", "--cluster-folder", str(self.folder.path), *arguments]
        self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, cwd=CHECKOUT))
        self.until(lambda: self.answers(), "the supervisor answers")

    def answers(self) -> bool:
        try:
            self.client.call("ping")
        except SupervisorError:
            return False
        return True

    def ensure(self, name: str, source: str = SLEEPER, *arguments: str, **more: Any) -> dict[str, Any]:
        command = [sys.executable, "-u", "-c", textwrap.dedent(source), *arguments]
        workload = {"name": name, "command": command, "pool": "master", "run": name, "stop_seconds": 2.0, **more}
        return self.client.call("ensure", workload=workload)

    def all(self) -> dict[str, dict[str, Any]]:
        return {entry["name"]: entry for entry in self.client.call("list")["workloads"]}

    def one(self, name: str) -> dict[str, Any]:
        return self.all()[name]

    def until_state(self, name: str, *states: str, seconds: float = PATIENCE) -> dict[str, Any]:
        self.until(lambda: self.one(name)["state"] in states, f"{name} is {states}", seconds)
        return self.one(name)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                state = json.dumps(self.all(), indent=1) if self.answers() else "no supervisor"
                log = self.folder.log.read_text()[-2000:] if self.folder.log.exists() else ""
                raise AssertionError(f"not within {seconds} s: {what}\n{state}\n{log}")
            time.sleep(0.02)

    def kill_supervisor(self) -> int:
        """kill -9; returns the pid it had."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        for process in self.processes:
            if process.pid == pid:
                process.wait()
        return pid

    def marked(self) -> dict[int, str]:
        """Everything that still carries this cluster's marker."""
        return {pid: one.command for pid, one in of_cluster(self.folder.path).items()}

    def log(self, name: str) -> str:
        path = self.folder.workload_log(name)
        return path.read_text() if path.exists() else ""

    def end(self) -> None:
        if self.answers():
            with contextlib.suppress(SupervisorError):
                self.client.call("shutdown", immediately=True)
        for process in self.processes:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        kill(self.marked())


@contextlib.contextmanager
def running_supervisor(*arguments: str, users: dict[str, str] | None = None) -> Iterator[Running]:
    with reachable_folder() as home:
        path: Path = home / "demo"
        path.mkdir(mode=0o711)
        running = Running(ClusterFolder(path))
        running.folder.supervisor.mkdir(mode=0o711)
        running.folder.secrets.mkdir(mode=0o700)
        if users:
            running.folder.users.write_text(json.dumps(users))
        running.start(*arguments)
        try:
            yield running
        finally:
            running.end()
