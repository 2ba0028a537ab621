"""Waiting until a cluster is ready, with an event for each change; on failure the workload, why, its last log lines, the next command.

A workload that failed is still tried again by the supervisor (its port may be lent to somebody's outgoing connection for some seconds),
so it gets a while before it ends the wait; the error then names who has its port.
"""

from __future__ import annotations

import time
from typing import Any

from controller.errors import StoreError
from controller.local.errors import LocalError
from controller.local.progress import Progress
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.ports import cluster_folder_of, is_free, owners
from controller.supervisor.client import SupervisorClient
from controller.supervisor.errors import SupervisorError
from pools.workload import Workload

PERIOD = 0.08
FAILED_SECONDS = 20.0
LOG_LINES = 15
STATUS = "status.json"
SATISFIED = ("ready", "done")


def until_ready(home: ClusterHome, wanted: tuple[Workload, ...], seconds: float, progress: Progress) -> None:
    """Until every workload of ``wanted`` and the controller's own status are ready. LocalError ``not_ready`` otherwise."""
    client, names = SupervisorClient(home.path, seconds=10), tuple(workload.name for workload in wanted)
    deadline = time.monotonic() + seconds
    failing: dict[str, float] = {}
    while True:
        entries = _list(home, client)
        progress.tell_all(entries)
        states = {str(entry["name"]): entry for entry in entries}
        failed = _failed_too_long(entries, failing)
        if failed is not None:
            raise _not_ready(home, client, failed, "it failed", wanted)
        waiting = [name for name in names if name not in states or states[name]["state"] not in SATISFIED]
        status = _status(home)
        if not waiting and status is not None and status.get("state") == "ready":
            return
        if not waiting:
            progress.tell("controller", "starting", f"status: {(status or {}).get('details', 'not written yet')}")
        if time.monotonic() > deadline:
            raise _late(home, client, states, waiting, seconds, wanted)
        time.sleep(PERIOD)


def _failed_too_long(entries: list[dict[str, Any]], failing: dict[str, float]) -> dict[str, Any] | None:
    """The first workload that was seen failed, and never ready since, for FAILED_SECONDS. ``failing`` is kept from look to look."""
    now = time.monotonic()
    for entry in entries:
        if entry["state"] in SATISFIED:
            failing.pop(str(entry["name"]), None)
        elif entry["state"] == "failed" and now - failing.setdefault(str(entry["name"]), now) >= FAILED_SECONDS:
            return entry
    return None


def forget_status(home: ClusterHome) -> None:
    """The status of before must not be taken for today's."""
    (home.store_folder / STATUS).unlink(missing_ok=True)


def _list(home: ClusterHome, client: SupervisorClient) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = client.call("list")["workloads"]
    except SupervisorError:
        time.sleep(1.0)  # killed just now? its watcher starts the next one
        try:
            found = client.call("list")["workloads"]
        except SupervisorError as error:
            raise LocalError(
                "start_failed", error.message, where=str(home.log), hint=f"bdc start {home.name}", category="service"
            ) from error
    return found


def _status(home: ClusterHome) -> dict[str, Any] | None:
    try:
        found = home.store.read(STATUS)
    except StoreError:
        return None
    return found if isinstance(found, dict) else None


def _late(
    home: ClusterHome,
    client: SupervisorClient,
    states: dict[str, dict[str, Any]],
    waiting: list[str],
    seconds: float,
    wanted: tuple[Workload, ...],
) -> LocalError:
    """Names the first that does not wait for another one."""
    asked = [states[name] for name in waiting if name in states]
    culprit = next(
        (entry for entry in asked if entry["state"] not in ("waiting", *SATISFIED)), asked[0] if asked else states.get("control")
    )
    if culprit is None:
        return LocalError("not_ready", f"the cluster {home.name!r} is not ready after {seconds:g} s", hint=_hint(home), category="service")
    status = _status(home)
    details = f"; the controller says: {status['details']}" if status and status.get("details") else ""
    return _not_ready(home, client, culprit, f"not ready after {seconds:g} s{details}", wanted)


def _not_ready(home: ClusterHome, client: SupervisorClient, entry: dict[str, Any], what: str, wanted: tuple[Workload, ...]) -> LocalError:
    name = str(entry["name"])
    taken = _taken_ports(home, next((workload for workload in wanted if workload.name == name), None))
    try:
        log = tuple(client.call("tail", name=name, lines=LOG_LINES)["lines"])
    except SupervisorError as error:
        log = (f"(its log can't be read: {error.message})",)
    return LocalError(
        "not_ready",
        f"{name} of the cluster {home.name!r}: {what}",
        where=name,
        why="; ".join((f"{entry['state']}: {entry['reason']}", *taken)),
        hint=_hint(home),
        log=log,
        category="service",
    )


def _taken_ports(home: ClusterHome, workload: Workload | None) -> list[str]:
    """A sentence for each port of the workload that a process outside of this cluster has."""
    numbers = () if workload is None else tuple(port.number for port in workload.ports)
    found_owners = owners(number for number in numbers if not is_free(number)).values()
    return [found.sentence() for found in found_owners if found.pid is None or cluster_folder_of(found.pid) != home.path]


def _hint(home: ClusterHome) -> str:
    if home.ready_once.exists():
        return f"bdc logs; bdc status; the supervisor's log is {home.log}"
    return f"'bdc create {home.name}' goes on from here once the cause is gone; 'bdc delete {home.name}' removes what there is"
