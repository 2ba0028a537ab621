"""``list`` and ``status``: read from the disk and the supervisor, so they work with the controller down and without a login."""

from __future__ import annotations

import json
from typing import Any

from controller.errors import ControllerError
from controller.local import daemon
from controller.local.errors import LocalError
from controller.substrates.local.layout import ClusterHome, cluster_homes
from controller.supervisor.client import SupervisorClient
from controller.supervisor.errors import SupervisorError


def clusters() -> dict[str, object]:
    """All clusters of this machine with their state: ready, starting, unready, error, stopped, incomplete, unknown (not ours to ask)."""
    return {"clusters": [_one(home) for home in cluster_homes()]}


def status(home: ClusterHome) -> dict[str, object]:
    """The last status the controller wrote, and what the supervisor sees now."""
    found: dict[str, object] = {**_one(home), "workloads": [], "supervisor": None}
    try:
        client = SupervisorClient(home.path, seconds=10)
        found["supervisor"] = client.call("ping")["pid"]
        found["workloads"] = client.call("list")["workloads"]
    except SupervisorError as error:
        found["details"] = error.message
    return found


def _one(home: ClusterHome) -> dict[str, object]:
    state, details = _state(home)
    return {"name": home.name, "state": state, "details": details, "controller": _public(home).get("controller"), "folder": str(home.path)}


def _state(home: ClusterHome) -> tuple[str, str]:
    try:
        if not home.supervisor.is_dir() or not daemon.running(home):
            return ("stopped", "") if home.ready_once.exists() else ("incomplete", "its creation broke off: bdc create completes it")
        workloads: list[dict[str, Any]] = SupervisorClient(home.path, seconds=10).call("list")["workloads"]
        written = home.store.read("status.json")
    except PermissionError:
        return "unknown", "it belongs to another user"
    except LocalError as error:
        return "unknown", error.message
    except (ControllerError, SupervisorError) as error:
        return "unknown", str(error)
    # the controller's word is as old as its last pass: what the supervisor sees now comes first
    bad = [entry for entry in workloads if entry["state"] not in ("ready", "done")]
    if bad:
        return "unready" if home.ready_once.exists() else "starting", f"{bad[0]['name']}: {bad[0]['state']}: {bad[0]['reason']}"
    if isinstance(written, dict):
        return str(written.get("state")), str(written.get("details"))
    return "starting", "the controller has not written a status yet"


def _public(home: ClusterHome) -> dict[str, Any]:
    try:
        found = json.loads(home.public.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
