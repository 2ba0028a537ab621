"""Waiting until a cluster is ready, with an event for each change; on failure the workload, why, its last log lines, the next command."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from controller.errors import StoreError
from controller.local.errors import LocalError
from controller.local.progress import Progress
from controller.substrates.local.layout import ClusterHome
from controller.supervisor.client import SupervisorClient
from controller.supervisor.errors import SupervisorError

PERIOD = 0.08
LOG_LINES = 15
STATUS = "status.json"
SATISFIED = ("ready", "done")


def until_ready(home: ClusterHome, wanted: Iterable[str], seconds: float, progress: Progress) -> None:
    """Until every workload of ``wanted`` and the controller's own status are ready. LocalError ``not_ready`` otherwise."""
    client, names = SupervisorClient(home.path, seconds=10), tuple(wanted)
    deadline = time.monotonic() + seconds
    while True:
        entries = _list(home, client)
        progress.tell_all(entries)
        states = {str(entry["name"]): entry for entry in entries}
        failed = next((entry for entry in entries if entry["state"] == "failed"), None)
        if failed is not None:
            raise _not_ready(home, client, failed, "it failed")
        waiting = [name for name in names if name not in states or states[name]["state"] not in SATISFIED]
        status = _status(home)
        if not waiting and status is not None and status.get("state") == "ready":
            return
        if not waiting:
            progress.tell("controller", "starting", f"status: {(status or {}).get('details', 'not written yet')}")
        if time.monotonic() > deadline:
            raise _late(home, client, states, waiting, seconds)
        time.sleep(PERIOD)


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


def _late(home: ClusterHome, client: SupervisorClient, states: dict[str, dict[str, Any]], waiting: list[str], seconds: float) -> LocalError:
    """Names the first that does not wait for another one."""
    asked = [states[name] for name in waiting if name in states]
    culprit = next(
        (entry for entry in asked if entry["state"] not in ("waiting", *SATISFIED)), asked[0] if asked else states.get("control")
    )
    if culprit is None:
        return LocalError("not_ready", f"the cluster {home.name!r} is not ready after {seconds:g} s", hint=_hint(home), category="service")
    status = _status(home)
    details = f"; the controller says: {status['details']}" if status and status.get("details") else ""
    return _not_ready(home, client, culprit, f"not ready after {seconds:g} s{details}")


def _not_ready(home: ClusterHome, client: SupervisorClient, entry: dict[str, Any], what: str) -> LocalError:
    name = str(entry["name"])
    try:
        log = tuple(client.call("tail", name=name, lines=LOG_LINES)["lines"])
    except SupervisorError as error:
        log = (f"(its log can't be read: {error.message})",)
    return LocalError(
        "not_ready",
        f"{name} of the cluster {home.name!r}: {what}",
        where=name,
        why=f"{entry['state']}: {entry['reason']}",
        hint=_hint(home),
        log=log,
        category="service",
    )


def _hint(home: ClusterHome) -> str:
    if home.ready_once.exists():
        return f"bdc logs; bdc status; the supervisor's log is {home.log}"
    return f"'bdc create {home.name}' goes on from here once the cause is gone; 'bdc delete {home.name}' removes what there is"
