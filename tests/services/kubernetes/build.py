"""Builds what a test cluster is made of, once per machine: Kubernetes, etcd, CoreDNS and Helm from Go modules, two small images.

It all lies in ``CACHE`` (``/var/cache/openbdc/kubernetes``), in folders named by a digest of what they are made from: a checkout of the
same sources builds nothing. ``.cache/kubernetes/{programs,images}`` of the checkout point there. ``python -m
tests.services.kubernetes build`` is the command; 8–10 minutes on two cores where nothing is there, else 0.1 s.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.kubernetes import golang, images

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
SOURCES = HERE / "programs"
CACHE = Path(os.environ.get("BDC_TEST_KUBERNETES_CACHE", "/var/cache/openbdc/kubernetes"))
LINKS = ROOT / ".cache" / "kubernetes"

PACKAGES = ("containerd", "runc", "containernetworking-plugins", "iptables", "conntrack", "mmdebstrap")
"""Debian's: what a node runs its pods with, and what makes the base of an image."""

COMPONENTS = ("etcd", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
"""Names by which the one binary ``kube`` is called."""

PROGRAMS = {"kube": ".", "coredns": "./coredns", "helm": "helm.sh/helm/v3/cmd/helm", "pause": "./pause"}
"""Program → Go package."""


class CannotBuildError(Exception):
    """Says what is missing on this machine and what brings it."""


@dataclass(frozen=True)
class Built:
    """Folders of this machine."""

    programs: Path
    images: Path


def say(sentence: str) -> None:
    """Progress, for people."""
    print(f"kubernetes: {sentence}", file=sys.stderr, flush=True)


def digest(files: Iterable[Path], *more: str) -> str:
    """Of names and contents."""
    total = hashlib.sha256("\0".join(more).encode())
    for path in sorted(files):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


def wanted() -> Built:
    """Where what this checkout's sources make belongs."""
    programs = digest(path for path in SOURCES.rglob("*") if path.suffix in (".go", ".mod", ".sum"))
    made = digest([HERE / "images.py"], programs)
    return Built(CACHE / f"programs-{programs}", CACHE / f"images-{made}")


def built() -> Built | None:
    """What is there; None where something is missing."""
    there = wanted()
    return there if there.programs.is_dir() and there.images.is_dir() and not missing_packages() else None


def build() -> Built:
    """Build what is missing. One at a time on a machine; a second caller waits and finds it done. CannotBuildError, RuntimeError."""
    why = why_not()
    if why:
        raise CannotBuildError(why)
    CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    with locked(CACHE / "lock"):
        there = wanted()
        install_packages()
        made(there.programs, build_programs)
        made(there.images, lambda folder: images.write_all(folder, there.programs))
    return there


def why_not() -> str | None:
    """Why this machine can't have a Kubernetes for tests; None: it can."""
    if os.geteuid() != 0:
        return "a Kubernetes for tests needs root (namespaces, mounts, cgroups): run the tests as root, or leave its tests to CI"
    if shutil.which("apt-get") is None and missing_packages():
        return f"a Kubernetes for tests needs {', '.join(missing_packages())}, and this machine has no apt-get: install them"
    return None


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Alone on this machine."""
    with file.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is under way; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def made(folder: Path, make: Callable[[Path], None]) -> None:
    """Make ``folder`` where it is missing: under another name first, so that it is whole or not there."""
    if folder.is_dir():
        return
    part = folder.with_name(f"{folder.name}.part")
    part.mkdir(exist_ok=True)
    make(part)
    part.rename(folder)


def build_programs(folder: Path) -> None:
    """Into ``folder``; Go's caches lie beside it until all is built, so a build that was cut goes on where it was."""
    go, caches = golang.find(CACHE), CACHE / "go-caches"
    environment = {
        **os.environ, "GOMODCACHE": str(caches / "modules"), "GOCACHE": str(caches / "build"), "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false -modcacherw -trimpath", "GOTOOLCHAIN": "local", "GOWORK": "off",
    }  # fmt: skip
    say("building Kubernetes from its Go modules: 8–10 minutes on two cores, once on this machine")
    for name, package in PROGRAMS.items():
        began = time.monotonic()
        check([go, "build", "-ldflags", linker_flags(), "-o", str(folder / name), package], environment)
        say(f"built {name} in {time.monotonic() - began:.0f} s")
    for name in COMPONENTS:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to("kube")
    shutil.rmtree(caches)  # 4 GB


def linker_flags() -> str:
    """Small binaries that know their version; without these the servers call themselves v0.0.0-master."""
    modules = (line.split() for line in (SOURCES / "go.mod").read_text().splitlines() if line.startswith("\tk8s.io/kubernetes "))
    version = next(modules)[1]
    parts = {"gitVersion": version, "gitMajor": "1", "gitMinor": version.split(".")[1], "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(["-s", "-w", *(f"-X {package}.{name}={value}" for package in packages for name, value in parts.items())])


def missing_packages() -> list[str]:
    """Of Debian's."""
    if shutil.which("dpkg-query") is None:
        return list(PACKAGES)
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *PACKAGES], capture_output=True, text=True)
    there = {line.split()[0] for line in asked.stdout.splitlines() if line.split()[1:2] == ["ii"]}
    return [name for name in PACKAGES if name not in there]


def install_packages() -> None:
    """By apt; needs root."""
    if missing := missing_packages():
        say(f"installing {' '.join(missing)}")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=3"]
        check([*apt, "update"], environment)
        check([*apt, "install", "-y", "--no-install-recommends", *missing], environment)


def check(command: list[str], environment: dict[str, str]) -> None:
    """Run it; RuntimeError with the end of its output if it fails."""
    done = subprocess.run(command, cwd=SOURCES, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} … ended with {done.returncode}:\n{(done.stdout + done.stderr).strip()[-3000:]}")


def link(there: Built) -> None:
    """Names in the checkout that don't change, for people's shells."""
    LINKS.mkdir(parents=True, exist_ok=True)
    for name, target in (("bin", there.programs), ("images", there.images)):
        part = LINKS / f"{name}.part"
        part.unlink(missing_ok=True)
        part.symlink_to(target)
        part.replace(LINKS / name)
