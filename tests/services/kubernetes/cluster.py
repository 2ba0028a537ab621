"""Test clusters as tests use them: ``ControlPlane`` (API server, etcd, controllers, scheduler; no node: pods stay Pending) and ``Node``
(the same with a node that runs pods). Context managers; nothing of them outlives the process that made them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.services.kubernetes import build, keeper, namespaces, relay

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

END_SECONDS = 240
"""A node's images are 5 GB, and a busy disk takes its time to forget them."""
COMMAND_SECONDS = 120


class ControlPlane:
    """A Kubernetes API of its own, 4 s. Outside and inside of its network the same ``kubeconfig`` holds."""

    arguments: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        """Start it; skips where this machine can't (not root), fails where it could but was not set up."""
        why = build.why_not()
        if why:
            pytest.skip(why)
        there = build.built()
        if there is None:
            pytest.fail("no Kubernetes for tests is built on this machine. Next: .venv/bin/python -m tests.services.kubernetes build")
        self.programs = there.programs
        self.folder = Path(tempfile.mkdtemp(prefix="openbdc-kube-", dir="/var/tmp"))
        self.relays: list[relay.Relay] = []
        command = [sys.executable, "-m", "tests.services.kubernetes", "up", str(self.folder), *self.arguments]
        self.keeper = subprocess.Popen(  # told to end when this process does, also by SIGKILL
            ["setpriv", "--pdeathsig", "TERM", *command],
            cwd=build.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self.keeper.stdout is not None
        word, _, rest = self.keeper.stdout.readline().strip().partition(" ")
        if word != "ready":
            rest += self.keeper.stdout.read()
            self.keeper.wait(END_SECONDS)
            self.keeper.stdout.close()
            raise RuntimeError(f"no Kubernetes for tests: {rest.strip() or 'it ended at once'}")
        self.kubeconfig = Path(rest)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it and wait until all of it is gone."""
        for each in self.relays:
            each.end()
        self.keeper.terminate()
        code = self.keeper.wait(END_SECONDS)
        assert self.keeper.stdout is not None
        self.keeper.stdout.close()
        if code:
            raise RuntimeError(f"the test cluster in {self.folder} did not end well: exit code {code}; what its keeper said stands above")

    @property
    def environment(self) -> dict[str, str]:
        """For commands of tests: this cluster, and its kubectl and helm first on the path."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": f"{self.programs}:{os.environ['PATH']}"}

    def run(self, *command: str | Path, stdin: str | None = None, seconds: float = COMMAND_SECONDS) -> str:
        """Run a command (kubectl, helm, …) with this cluster's ``environment``; its output. RuntimeError with what it said if it fails."""
        done = subprocess.run(command, env=self.environment, input=stdin or "", capture_output=True, text=True, timeout=seconds)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {(done.stdout + done.stderr).strip()[-3000:]}")
        return done.stdout

    def kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = COMMAND_SECONDS) -> str:
        """As the administrator."""
        return self.run("kubectl", *arguments, stdin=stdin, seconds=seconds)

    def get(self, *arguments: str) -> Any:
        """``kubectl get … -o json``, parsed."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def api(self) -> ApiClient:
        """A Python client of the administrator's; close it."""
        from kubernetes.config import new_client_from_config  # half a second, which the keeper's process need not pay

        return new_client_from_config(config_file=str(self.kubeconfig))

    def inside(self, *command: str) -> list[str]:
        """``command`` for subprocess, so that it runs in the cluster's network with this machine's files."""
        return ["nsenter", "-t", str(self.pid("holder")), "--net", "--", *command]

    def reach(self, host: str, port: int) -> int:
        """A port of 127.0.0.1 here behind which ``host`` (an address; Services and pods too) answers in there."""
        made = relay.start((relay.OWN, "127.0.0.1", 0), (relay.of(self.pid("holder")), host, port))
        self.relays.append(made)
        return made.port

    def reach_service(self, namespace: str, name: str, port: int) -> int:
        """The same for a Service; a headless one is its first address."""
        host = self.get("service", "-n", namespace, name)["spec"]["clusterIP"]
        if host == "None":
            slices = self.get("endpointslice", "-n", namespace, "-l", f"kubernetes.io/service-name={name}")["items"]
            host = slices[0]["endpoints"][0]["addresses"][0]
        return self.reach(host, port)

    def expose(self, port: int) -> tuple[str, int]:
        """Host and port at which pods find what listens on 127.0.0.1:``port`` here."""
        made = relay.start((relay.of(self.pid("holder")), namespaces.NODE_IP, 0), (relay.OWN, "127.0.0.1", port))
        self.relays.append(made)
        return namespaces.NODE_IP, made.port

    def pid(self, name: str) -> int:
        """Of a server: etcd, apiserver, controller-manager, scheduler; with a node containerd, kubelet, proxy, coredns too."""
        return int((self.folder / "pid" / name).read_text())

    def log(self, name: str) -> str:
        """What a server wrote."""
        return (self.folder / "log" / f"{name}.log").read_text(errors="replace")

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """That server is killed and stays away inside the block (connections to it are refused); it is up again after it."""
        hold = self.folder / "hold" / name
        hold.touch()
        before = self.pid(name)
        namespaces.kill(before)
        try:
            yield
        finally:
            hold.unlink()
            self._wait_until_up(name, before)

    @contextmanager
    def stalled(self, name: str) -> Iterator[None]:
        """That server answers nothing inside the block (connections to it hang)."""
        namespaces.kill(self.pid(name), signal.SIGSTOP)
        try:
            yield
        finally:
            namespaces.resume(self.pid(name))

    def _wait_until_up(self, name: str, before: int) -> None:
        deadline = time.monotonic() + keeper.UP_SECONDS
        while self.pid(name) == before or not self.answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not come back: {self.log(name)[-2000:]}")
            time.sleep(0.1)

    def answers(self) -> bool:
        """Is the API there?"""
        return subprocess.run(["kubectl", "get", "--raw", "/readyz"], env=self.environment, capture_output=True).returncode == 0


class Node(ControlPlane):
    """With one node that runs pods, 10 s. It holds ``tests.services.kubernetes.images.PYTHON``."""

    arguments = ("--node",)

    def load_images(self, *archives: Path) -> None:
        """Give it images (``docker save``'s format, or OCI's); use fixed tags and ``imagePullPolicy: Never`` or ``IfNotPresent``."""
        for archive in archives:
            keeper.load(self.folder, archive)

    def tag_image(self, image: str, other: str) -> None:
        """Give an image that it has a second name."""
        keeper.tag(self.folder, image, other)
