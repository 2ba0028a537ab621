"""Debian's unixODBC and drivers for tests: installed by apt where this may be done. Only where it may not are the tests skipped."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys

PACKAGES = ("unixodbc", "libsqliteodbc", "odbc-postgresql", "odbc-mariadb", "mariadb-server-core", "mariadb-client-core")
"""``mariadb-server-core``: the server's programs alone, so that no service of the machine is started; setting it up needs one of the
client's too."""

_INSTALL_SECONDS = 600


def _missing() -> list[str]:
    if shutil.which("dpkg-query") is None:
        return list(PACKAGES)
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *PACKAGES], capture_output=True, text=True)
    there = {line.split()[0] for line in asked.stdout.splitlines() if line.split()[1:2] == ["ii"]}
    return [name for name in PACKAGES if name not in there]


@functools.cache
def why_not() -> str | None:
    """Why the tests over ODBC can't run here; None: they can. As root on a Debian-like machine what is missing is installed first, and
    a failure of that is an error (RuntimeError): such a machine can have them."""
    missing = _missing()
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
    for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
        done = subprocess.run(["apt-get", *options, *command], capture_output=True, text=True, env=environment, timeout=_INSTALL_SECONDS)
        if done.returncode:
            raise RuntimeError(f"apt-get {command[0]} failed, so the tests over ODBC can't run: {done.stderr.strip()[-500:]}")
