"""Brings a test cluster up, starts again what dies, and takes all of it away: when told to (SIGTERM), and when whoever started it has
ended, however that happened. Prints one line when all is up: ``ready KUBECONFIG``, or ``failed`` and why."""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tests.services.kubernetes import certificates, components, namespaces, relay
from tests.services.kubernetes.components import Site

UP_SECONDS = 180
"""For each thing waited for. On a quiet machine all of them together take 4 s, with a node 10."""

PROXY_ALIVE = "import urllib.request as u; u.urlopen('http://127.0.0.1:10256/livez', timeout=5)"


class ToldToEndError(Exception):
    """SIGTERM or SIGINT came."""


@dataclass
class Component:
    """One server. ``process`` waits for it; its own pid is in ``RUN/pid/NAME``."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None


@dataclass
class Keeper:
    """One cluster's life: ``up``, ``watch``, ``down``."""

    site: Site
    spaces: namespaces.Namespaces | None = None
    door: relay.Relay | None = None
    running: dict[str, Component] = field(default_factory=dict)

    def up(self, with_node: bool) -> None:
        """Everything in its order; RuntimeError names what did not come up, with the end of its log."""
        certificates.write(self.site.pki, namespaces.NODE_IP, self.site.server)
        self.spaces = namespaces.make(self.site.run)
        (self.site.run / "pid" / "holder").write_text(str(self.spaces.holder))
        self.door = relay.start((relay.OWN, "127.0.0.1", self.site.port), (relay.of(self.spaces.holder), "127.0.0.1", self.site.port))
        self.start("etcd", components.etcd(self.site))
        self.start("apiserver", components.apiserver(self.site))
        if with_node:  # takes its time beside the API server's
            for template in ("containerd.toml", "kubelet.yaml", "proxy.yaml", "Corefile"):
                self.site.fill(template, self.spaces.cgroup)
            self.start("containerd", components.containerd(self.site))
        self.wait_for("apiserver", lambda: self.ask("/readyz") is not None)
        self.start("controller-manager", components.controller_manager(self.site))
        self.start("scheduler", components.scheduler(self.site))
        if with_node:
            self.node_up()
        self.wait_for("controller-manager", lambda: self.ask("/api/v1/namespaces/default/serviceaccounts/default") is not None)

    def node_up(self) -> None:
        """What makes a node of it."""
        assert self.spaces is not None
        (self.site.run / "cni").mkdir(exist_ok=True)
        shutil.copy(components.TEMPLATES / "cni.conflist", self.site.run / "cni" / "10-test.conflist")
        self.wait_for("containerd", lambda: succeeds(["ctr", "-a", str(self.site.containerd), "version"]))
        self.start("kubelet", components.kubelet(self.site))
        for image in sorted(self.site.images.glob("*.tar")):
            load(self.site.run, image)
        kubectl = [str(self.site.programs / "kubectl"), "--kubeconfig", str(self.site.kubeconfig)]
        check([*kubectl, "apply", "-f", str(components.TEMPLATES / "node-addons.yaml")])
        self.start("coredns", components.coredns(self.site))
        self.start("proxy", components.proxy(self.site))
        alive = self.spaces.in_network([sys.executable, "-c", PROXY_ALIVE])
        self.wait_for("proxy", lambda: succeeds(alive))
        self.wait_for("kubelet", self.node_ready)

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start one and remember it."""
        assert self.spaces is not None
        process, pid = self.spaces.start(command, self.site.run / "log" / f"{name}.log")
        part = self.site.run / f"{name}.pid"
        part.write_text(str(pid))
        part.replace(self.site.run / "pid" / name)
        self.running[name] = Component(name, command, process)

    def tend(self) -> None:
        """Start again what has died, unless a test holds it down (``RUN/hold/NAME``)."""
        for component in list(self.running.values()):
            if component.process is not None and component.process.poll() is not None and not self.held(component.name):
                self.start(component.name, component.command)
        for volume in (self.site.run / "volumes").glob("*"):  # the provisioner makes them root's alone; pods are not root
            with suppress(FileNotFoundError):  # it went meanwhile
                if volume.stat().st_mode & 0o777 != 0o777:
                    volume.chmod(0o777)

    def held(self, name: str) -> bool:
        """Does a test want it down?"""
        return (self.site.run / "hold" / name).exists()

    def wait_for(self, name: str, good: Callable[[], bool]) -> None:
        """Until ``good``; dead servers are started again meanwhile (one in some fifty starts needs that; why is not known)."""
        deadline = time.monotonic() + UP_SECONDS
        while not good():
            if time.monotonic() > deadline:
                log = (self.site.run / "log" / f"{name}.log").read_text(errors="replace")
                raise RuntimeError(f"{name} of the test cluster did not come up in {UP_SECONDS} s:\n{log[-3000:]}")
            self.tend()
            time.sleep(0.05)

    def ask(self, path: str) -> bytes | None:
        """The API server's answer to the administrator; None where it has none yet."""
        context = ssl.create_default_context(cafile=str(self.site.pki / "ca.crt"))
        context.load_cert_chain(self.site.pki / "admin.crt", self.site.pki / "admin.key")
        try:
            with urllib.request.urlopen(self.site.server + path, timeout=10, context=context) as answer:
                return bytes(answer.read())
        except (OSError, urllib.error.URLError):
            return None

    def node_ready(self) -> bool:
        """Does the node say so?"""
        node = json.loads(self.ask(f"/api/v1/nodes/{components.NODE_NAME}") or "{}")
        return any(c["type"] == "Ready" and c["status"] == "True" for c in node.get("status", {}).get("conditions", []))

    def watch(self) -> None:
        """Until told to end."""
        while True:
            self.tend()
            time.sleep(0.2)

    def down(self) -> None:
        """End everything, and remove the folder."""
        if self.door is not None:
            self.door.end()
        for component in self.running.values():
            if component.process is not None:
                component.process.send_signal(signal.SIGCONT)  # nsenter stops itself where what it waits for was stopped (`stalled`)
        if self.spaces is not None:
            self.spaces.end()
        for component in self.running.values():
            if component.process is not None:
                component.process.wait(namespaces.END_SECONDS)
        shutil.rmtree(self.site.run)


def load(run: Path, image: Path) -> None:
    """Give the node an image (``docker save``'s format, or OCI's); RuntimeError with containerd's words."""
    check(["ctr", "-a", str(run / "c.sock"), "-n", "k8s.io", "images", "import", str(image)])


def tag(run: Path, image: str, other: str) -> None:
    """Give an image of the node a second name, in place of what had it; RuntimeError with containerd's words."""
    check(["ctr", "-a", str(run / "c.sock"), "-n", "k8s.io", "images", "tag", "--force", image, other])


def check(command: Sequence[str]) -> None:
    """Run it; RuntimeError with its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stdout + done.stderr).strip()[-2000:]}")


def succeeds(command: Sequence[str]) -> bool:
    """Does it end well?"""
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def told_to_end(number: int, frame: FrameType | None) -> None:
    """Once: what takes it all away is not interrupted."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    raise ToldToEndError


def keep(site: Site, with_node: bool) -> int:
    """A cluster's whole life; the exit code."""
    for folder in ("log", "pid", "hold"):
        (site.run / folder).mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told_to_end)
    keeper = Keeper(site)
    try:
        keeper.up(with_node)
        print(f"ready {site.kubeconfig}", flush=True)
        keeper.watch()
    except ToldToEndError:
        return 0
    except (RuntimeError, OSError) as error:
        print(f"failed {error}", flush=True)
        return 1
    finally:
        keeper.down()
    return 0
