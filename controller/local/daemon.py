"""The supervisor as seen from here: start it, ask it, find everything that runs of a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from controller.local.errors import LocalError
from controller.store import write_atomic
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.render import PASSED_ON
from controller.supervisor import record
from controller.supervisor.amending import ENVIRONMENT
from controller.supervisor.client import SupervisorClient
from controller.supervisor.errors import SupervisorError
from controller.supervisor.folder import CLUSTER_MARKER
from controller.supervisor.host import PATH
from controller.supervisor.logs import tail
from controller.supervisor.processes import alive, descendants, of_cluster, table

START_SECONDS = 15.0
EXIT_LOCKED = 3


def running(home: ClusterHome) -> bool:
    """Whether a supervisor answers."""
    try:
        SupervisorClient(home.path, seconds=5).call("ping")
    except SupervisorError as error:
        if error.code == "forbidden":
            raise LocalError(
                "not_owner", f"the cluster {home.name!r} belongs to another user", hint="run this as its owner or root"
            ) from None
        return False
    return True


def start(home: ClusterHome) -> None:
    """Start the supervisor unless one answers. LocalError ``start_failed`` with what it said."""
    if running(home):
        return
    said = home.supervisor / "start.log"
    remember_environment(home)
    environment = {"PATH": PATH, "LANG": "C.UTF-8", CLUSTER_MARKER: str(home.path)}
    environment |= {name: os.environ[name] for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE") if name in os.environ}
    with said.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller.supervisor", "--cluster-folder", str(home.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not running(home):
        code = process.poll()
        if code is not None and code != EXIT_LOCKED:
            raise _failed(home, f"it ended with {code}", said)
        if time.monotonic() > deadline:
            raise _failed(home, f"it did not answer within {START_SECONDS:g} s", said)
        time.sleep(0.02)
    process.returncode = process.returncode or 0  # it goes on without us


def remember_environment(home: ClusterHome) -> None:
    """Where jars and Java lie, for a new spec that is laid later (``controller/supervisor/amending.py``)."""
    found = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    write_atomic(home.supervisor / ENVIRONMENT, json.dumps(found).encode(), 0o600)


def _failed(home: ClusterHome, why: str, said: Path) -> LocalError:
    lines = (*tail(said, 10), *tail(home.log, 10))
    return LocalError(
        "start_failed",
        f"the supervisor of {home.name!r} does not start",
        where=str(home.supervisor),
        why=why,
        log=lines,
        category="service",
    )


def processes(home: ClusterHome) -> dict[int, str]:
    """Everything that runs of a cluster: pid → command. By marker, by record, and whatever descends from those."""
    everything = table()
    found = set(of_cluster(home.path))
    for entry in record.read(home.processes):
        if entry.main is not None and alive(entry.main.pid, entry.main.started):
            found.add(entry.main.pid)
    for pid in tuple(found):
        found |= descendants(pid, everything)
    return {pid: everything[pid].command for pid in found if pid in everything and pid != os.getpid()}
