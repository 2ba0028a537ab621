"""``stop`` and ``delete``. Delete verifies that no process, port, OS user, packet filter or file is left, and says what it removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from pathlib import Path

from controller.errors import ControllerError
from controller.local import daemon
from controller.local.errors import LocalError
from controller.local.laying import read_spec
from controller.local.progress import Progress
from controller.spec import port_numbers
from controller.substrates.local import users
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.ports import is_free, owners
from controller.substrates.local.shared_memory import remove_shared_memory
from controller.supervisor.client import SupervisorClient
from controller.supervisor.closing import remove_rules, rules_left
from controller.supervisor.errors import SupervisorError
from controller.supervisor.processes import kill

PERIOD = 0.1
GONE_SECONDS = 5.0


def stop(home: ClusterHome, seconds: float, progress: Progress) -> dict[str, object]:
    """Ordered shutdown; data stays. A cluster whose supervisor is gone gets one first, so that what still runs is stopped in order."""
    if not daemon.running(home):
        if not daemon.processes(home):
            remove_rules(home.path)
            return {"name": home.name, "stopped": []}
        daemon.start(home)
    stopped = _shutdown(home, seconds, immediately=False, progress=progress)
    _until_gone(home)
    return {"name": home.name, "stopped": stopped}


def remove(home: ClusterHome, progress: Progress) -> dict[str, object]:
    """Stop everything at once and remove every trace; also of a cluster that is half-made or damaged."""
    ports = _ports(home)
    found = daemon.processes(home)
    if daemon.running(home):
        _shutdown(home, GONE_SECONDS * 4, immediately=True, progress=progress)
    _until_gone(home)
    remove_rules(home.path)
    _remove_shared_memory(home)
    removed_users = users.remove_users(home)
    _remove_folder(home.path)
    _verify(home, ports, set(found))
    progress.tell("cluster", "stopped", "removed")
    return {"name": home.name, "processes": len(found), "users": removed_users, "folder": str(home.path), "ports": ports}


def _remove_shared_memory(home: ClusterHome) -> None:
    """While the users still are: their numbers are given to others soon."""
    owners = {users.ids(name)[0] for name in users.remaining(home)}
    remove_shared_memory(owners, list(home.workloads.glob("*/data/*")), os.geteuid())


def _shutdown(home: ClusterHome, seconds: float, immediately: bool, progress: Progress) -> list[str]:
    """Ask for it in a thread of its own, and tell how each workload goes meanwhile."""
    answer: dict[str, list[str]] = {}
    errors: list[SupervisorError] = []

    def ask() -> None:
        try:
            answer.update(SupervisorClient(home.path, seconds).call("shutdown", immediately=immediately))
        except SupervisorError as error:
            errors.append(error)

    client = SupervisorClient(home.path, seconds=5)
    with contextlib.suppress(SupervisorError):  # it just ended: the request below says so
        progress.know(client.call("list")["workloads"])
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    while asking.is_alive():
        try:
            progress.tell_all(client.call("list")["workloads"])
        except SupervisorError:
            break  # it is through
        asking.join(PERIOD)
    asking.join(seconds)
    if errors and daemon.running(home):
        raise LocalError(
            "leftovers", f"the cluster {home.name!r} did not stop within {seconds:g} s: {errors[0].message}",
            hint=f"try again; the supervisor's log is {home.log}", category="service",
        )  # fmt: skip
    return answer.get("stopped", [])


def _until_gone(home: ClusterHome) -> None:
    """The supervisor ends itself after an ordered shutdown; whatever else is left by then is killed."""
    deadline = time.monotonic() + GONE_SECONDS
    grace = time.monotonic() + GONE_SECONDS / 4
    while left := daemon.processes(home):
        if time.monotonic() > grace or not daemon.running(home):
            kill(left)
        if time.monotonic() > deadline:
            shown = ", ".join(f"{pid} ({command})" for pid, command in sorted(left.items()))
            raise LocalError(
                "leftovers", f"processes of {home.name!r} can't be ended: {shown}", hint="end them as root", category="service"
            )
        time.sleep(0.02)


def _remove_folder(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LocalError(
            "leftovers",
            f"{path} can't be removed: {error}",
            where=str(path),
            hint="check owner and mode, then delete again",
            category="service",
        ) from error


def _ports(home: ClusterHome) -> list[int]:
    try:
        return [number for _, number in port_numbers(read_spec(home)).named()]
    except (OSError, ControllerError):
        return []  # never had a spec that could be read, so nothing listened by it


def _verify(home: ClusterHome, ports: list[int], pids: set[int]) -> None:
    left = [f"OS user {name}" for name in users.remaining(home)]
    left += [found.sentence() for found in owners(port for port in ports if not is_free(port)).values() if found.pid in pids]
    if home.path.exists():
        left.append(f"folder {home.path}")
    if (table := rules_left(home.path)) is not None:
        left.append(f"packet filter table inet {table}")
    if left:
        raise LocalError("leftovers", f"of {home.name!r} is left: {'; '.join(left)}", hint="delete again", category="service")
