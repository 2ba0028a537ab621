"""Pods of versions, without Kubernetes: what the proxy wants is started as processes, by the same description that a pod is made from."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from apps.package import pack
from pools.app import wire
from pools.app.settings import HostSettings
from pools.app.wanted import Wanted, asked
from tests.patience import PATIENCE, eventually
from tests.pools.app.stand import Stand, stand
from tests.services.certificates import Laid
from tests.services.postgresql import free_port

KEY = "the cluster's key of this"


@dataclass
class Hosts:
    """A proxy, and one process for each pod that was ``made``."""

    proxy: Stand
    port: int
    authority: str | None = None
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def wanted(self) -> tuple[Wanted, ...]:
        """As the controller asks."""
        return asked(("127.0.0.1", self.port), KEY, self.authority)

    def of(self, label: str, but: frozenset[str] = frozenset()) -> Wanted:
        """The pods of a version, once they are wanted. ``but``: codes that are not meant."""

        def meant() -> list[Wanted]:
            return [one for one in self.wanted() if one.label == label and one.code not in but]

        eventually(meant, f"pods of {label} are wanted")
        return meant()[-1]

    def make(self, wanted: Wanted, pod: str, token: str | None = None, port: int | None = None) -> subprocess.Popen[bytes]:
        """One pod. ``port``: of another proxy."""
        folder = self.proxy.folder / "pods" / pod
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(token or wire.token(KEY, wanted.code))
        settings = HostSettings(
            code=wanted.code,
            label=wanted.label,
            proxy=f"127.0.0.1:{port or self.port}",
            token_file=str(folder / "token"),
            data_folder=str(folder / "data"),
            ready_file=str(folder / "ready"),
            workers=wanted.poolsize,
            drain_seconds=wanted.seconds,
            authority=self.authority,
            pod=pod,
        )
        (folder / "host.json").write_text(settings.json())
        with (folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "pools.app.host", "--config", str(folder / "host.json")]
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env={**os.environ, "SECRET": "x"})
        self.processes[pod] = process
        return process

    def log(self, pod: str) -> str:
        """Of the pod's process."""
        return (self.proxy.folder / "pods" / pod / "log").read_text()

    def end(self, pod: str, number: int = signal.SIGKILL) -> int:
        """As its pod ends: all that is in it."""
        process = self.processes.pop(pod)
        workers = children(process.pid) if number == signal.SIGKILL else []
        process.send_signal(number)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        return process.wait(PATIENCE)

    def create(self, folder: pathlib.Path, pods: int = 1, **more: Any) -> dict[str, Any]:
        """A version that runs in so many pods."""
        known = frozenset(one.code for one in self.wanted())  # of an update: the package before
        answer = self.proxy.call(more.get("method", "POST"), "/api/v1/apps", content=pack(folder).archive)
        assert answer.status_code in (200, 201), answer.text
        label = f"{answer.json()['name']}@{answer.json()['version']}"
        before = set(self.processes)
        wanted = self.of(label, known)
        for number in range(pods):
            self.make(wanted, f"{wanted.name}-{number}-{len(before)}")
        return self.settled(label.replace("@", "/"), more.get("state", "Ready"))

    def settled(self, path: str, state: str = "Ready") -> dict[str, Any]:
        """Its description, once nothing changes any more."""
        path = f"/api/v1/apps/{path}"
        eventually(lambda: self.proxy.call("GET", path).json()["settled"], f"{path} is settled")
        found: dict[str, Any] = self.proxy.call("GET", path).json()
        assert found["state"] == state, found
        return found


def children(pid: int) -> list[int]:
    """Of a process."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(word) for word in found.split()]


@contextmanager
def hosts(folder: pathlib.Path, tls: Laid | None = None, **more: Any) -> Iterator[Hosts]:
    """A proxy that has versions run in pods; nothing is left at the end. ``tls``: what it shows, and pods trust."""
    port = free_port()
    if tls is not None:
        more |= {"certificate": tls.files.certificate, "certificate_key": tls.files.key}
    folder.mkdir(exist_ok=True)
    (folder / "key").write_text(KEY)
    with stand(folder, pods_port=port, pods_key_file=str(folder / "key"), **more) as proxy:
        found = Hosts(proxy, port, None if tls is None else tls.root)
        try:
            yield found
        finally:
            for pod in [*found.processes]:
                found.end(pod)


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with hosts(pathlib.Path(tmp_path_factory.mktemp("pods"))) as found:
        yield found
