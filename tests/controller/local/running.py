"""``python -m controller.local`` as the CLI starts it, in a BDC_HOME of the test's own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.supervisor.folder import ClusterFolder
from controller.supervisor.processes import kill, of_cluster
from tests.patience import PATIENCE
from tests.services.postgresql import free_port, reachable_folder

CHECKOUT = Path(__file__).parents[3]
PASSWORD = "correct horse 42"
SPEC = """\
apiVersion: openbdc.dev/v1alpha1
kind: BigDataCluster
metadata:
  name: {name}
spec:
  ports: {{controller: {ports[0]}, master: {ports[1]}, compute: {ports[2]}}}
  pools:
    storage: {{enabled: false}}
    data: {{shards: 0}}
"""


@dataclass
class Local:
    """``user``: an OS user to be, instead of who runs the test."""

    home: Path
    user: str | None = None

    def start(self, *arguments: str, given: object = None, **environment: str) -> subprocess.Popen[str]:
        identity: dict[str, Any] = {"user": self.user, "group": "nogroup", "extra_groups": []} if self.user else {}
        process = subprocess.Popen(
            [sys.executable, "-m", "controller.local", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "BDC_HOME": str(self.home), "HOME": str(self.home), "PYTHONPATH": str(CHECKOUT), **environment},
            cwd="/", **identity,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps(given or {}))
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, *arguments: str, given: object = None, **environment: str) -> tuple[int, list[dict[str, Any]]]:
        process = self.start(*arguments, given=given, **environment)
        out, err = process.communicate(timeout=240)
        events = [json.loads(line) for line in out.splitlines()]
        if not events:
            raise AssertionError(err)
        return process.returncode, events

    def done(self, *arguments: str, given: object = None) -> dict[str, Any]:
        code, events = self.run(*arguments, given=given)
        assert code == 0 and events[-1]["event"] == "done", events[-3:]
        result: dict[str, Any] = events[-1]["result"]
        return result

    def error(self, *arguments: str, given: object = None, **environment: str) -> dict[str, Any]:
        code, events = self.run(*arguments, given=given, **environment)
        assert code != 0 and events[-1]["event"] == "error", events[-3:]
        error: dict[str, Any] = events[-1]["error"]
        return error

    def spec(self, name: str, more: str = "", ports: tuple[int, int, int] | None = None) -> str:
        path = self.home / f"{name}.yaml"
        path.write_text(SPEC.format(name=name, ports=ports or (free_port(), free_port(), free_port())) + more)
        path.chmod(0o644)
        return str(path)

    def folder(self, name: str) -> ClusterFolder:
        return ClusterFolder(self.home / "clusters" / name)

    def marked(self, name: str) -> dict[int, str]:
        return {pid: one.command for pid, one in of_cluster(self.folder(name).path).items()}

    def nothing_left(self, name: str) -> None:
        assert self.marked(name) == {}
        assert not self.folder(name).path.exists()
        clusters = self.home / "clusters"
        assert not clusters.exists() or not [entry for entry in clusters.iterdir() if name in entry.name]
        users = subprocess.run(["getent", "passwd"], capture_output=True, text=True).stdout
        assert f"bdc-{name}-" not in users


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def local_home(user: str | None = None) -> Iterator[Local]:
    with reachable_folder("bdct-") as home:
        if user:
            shutil.chown(home, user)
        local = Local(home, user)
        try:
            yield local
        finally:
            for cluster in sorted((home / "clusters").glob("[a-z]*")):
                process = local.start("delete", "--name", cluster.name)
                process.communicate(timeout=240)
                kill(local.marked(cluster.name), signal.SIGKILL)
