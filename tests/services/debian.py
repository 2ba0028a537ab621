"""Debian's packages for tests: installed by apt where this may be done, without starting services. Only where it may not are the tests
skipped."""

from __future__ import annotations

import functools
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_INSTALL_SECONDS = 600
_POLICY = pathlib.Path("/usr/sbin/policy-rc.d")


def _missing(packages: tuple[str, ...]) -> list[str]:
    if shutil.which("dpkg-query") is None:
        return list(packages)
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *packages], capture_output=True, text=True)
    there = {line.split()[0] for line in asked.stdout.splitlines() if line.split()[1:2] == ["ii"]}
    return [name for name in packages if name not in there]


@functools.cache
def why_not(*packages: str) -> str | None:
    """Why the packages can't be used here; None: they can. As root on a Debian-like machine what is missing is installed first, and a
    failure of that is an error (RuntimeError): such a machine can have them."""
    missing = _missing(packages)
    if not missing:
        return None
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"apt-get install {' '.join(missing)} (as root) brings what is missing"
    _install(missing)
    return None


def _install(missing: list[str]) -> None:
    print(f"installing {' '.join(missing)}", file=sys.stderr)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ["-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    with _no_services():
        for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
            done = subprocess.run(
                ["apt-get", *options, *command], capture_output=True, text=True, env=environment, timeout=_INSTALL_SECONDS
            )
            if done.returncode:
                raise RuntimeError(f"apt-get {command[0]} failed, so tests that need it can't run: {done.stderr.strip()[-500:]}")


@contextmanager
def _no_services() -> Iterator[None]:
    """Packages start their services when they are installed, unless this file forbids it; where there is one it stays."""
    try:
        handle = os.open(_POLICY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    except FileExistsError:
        yield
        return
    try:
        os.write(handle, b"#!/bin/sh\nexit 101\n")
        os.close(handle)
        yield
    finally:
        _POLICY.unlink()
