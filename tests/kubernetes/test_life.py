"""The test cluster's own life: nothing outlives the process that made it, and its servers can be taken away and come back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.kubernetes.test_api import eventually
from tests.services.kubernetes import ControlPlane, build

pytestmark = pytest.mark.kubernetes

MAKER = """
import time
from tests.services.kubernetes import ControlPlane
with ControlPlane() as plane:
    print(plane.folder, flush=True)
    time.sleep(600)
"""


def processes_of(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if f"{folder}" in line:
            found.append(line)
    return found


def cgroups() -> set[Path]:
    return {path for root in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*")) for path in root.glob("openbdc-test-*")}


def made() -> tuple[subprocess.Popen[str], Path, set[Path]]:
    before = cgroups()
    maker = subprocess.Popen([sys.executable, "-c", MAKER], cwd=build.ROOT, stdout=subprocess.PIPE, text=True)
    assert maker.stdout is not None
    folder = Path(maker.stdout.readline().strip())
    maker.stdout.close()
    assert processes_of(folder)
    return maker, folder, cgroups() - before


def test_nothing_survives_sigkill_of_the_test_run() -> None:
    maker, folder, groups = made()
    maker.kill()
    maker.wait()
    eventually(lambda: not processes_of(folder) and not folder.exists(), "something is left")
    assert groups
    assert not groups & cgroups()


def test_no_process_survives_sigkill_of_the_keeper() -> None:
    maker, folder, groups = made()
    keeper = next(child for child in psutil.Process(maker.pid).children() if "up" in child.cmdline())
    keeper.kill()
    eventually(lambda: not [line for line in processes_of(folder) if "-m tests.services" not in line], "something runs on")
    maker.terminate()
    maker.wait()
    shutil.rmtree(folder)  # the keeper's to remove, if it had lived
    for group in groups:
        group.rmdir()


def test_servers_go_away_and_come_back() -> None:
    with ControlPlane() as plane:
        plane.kubectl("create", "namespace", "kept")
        with plane.without("apiserver"), pytest.raises(RuntimeError, match=r"refused|reset|EOF"):
            plane.kubectl("get", "namespaces")
        assert "kept" in plane.kubectl("get", "namespaces")
        with plane.stalled("apiserver"), pytest.raises(RuntimeError, match=r"[Tt]imeout|deadline"):
            plane.kubectl("get", "namespaces", "--request-timeout=2s")
        os.kill(plane.pid("etcd"), signal.SIGKILL)
        eventually(lambda: plane.answers(), "no API after etcd was killed")
        assert "kept" in plane.kubectl("get", "namespaces")
