"""Pods that fail their probes, by what their nodes reported of late."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from controller.kubernetes.api import Json
from controller.kubernetes.doctor.ground import Ground
from controller.operations.doctor import Finding, ok, problem, warning
from controller.substrates.kubernetes.reading import condition

OF_LATE = datetime.timedelta(minutes=15)
SHOWN = 200


def probes(ground: Ground) -> Iterator[Finding]:
    """What is not ready now is a problem; what failed and is ready again a warning."""
    pods = {pod["metadata"]["uid"]: pod for pod in ground.ours("v1", "Pod")}
    after = datetime.datetime.now(datetime.UTC) - OF_LATE
    failed: dict[str, Json] = {}
    for event in ground.inside("v1", "Event", "type=Warning,reason=Unhealthy"):
        uid = event["involvedObject"].get("uid", "")
        if uid in pods and _when(event) > after:
            failed[uid] = event
    for uid, event in failed.items():
        yield _told(pods[uid], event)
    if not failed:
        minutes = int(OF_LATE.total_seconds()) // 60
        yield ok(f"no probe of {len(pods)} pods failed in the last {minutes} minutes")


def _told(pod: Json, event: Json) -> Finding:
    name, said = pod["metadata"]["name"], " ".join(str(event.get("message", "")).split())[:SHOWN]
    fix = f"kubectl -n {pod['metadata']['namespace']} describe pod {name}"
    ready = (condition(pod, "Ready") or {}).get("status") == "True"
    if ready:
        return warning(f"{name} is ready, and failed its probe {event.get('count', 1)} times: {said}", fix)
    return problem(f"{name} fails its probe: {said}", fix)


def _when(event: Json) -> datetime.datetime:
    series = event.get("series") or {}
    text = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return datetime.datetime.fromisoformat(str(text)) if text else datetime.datetime.fromtimestamp(0, datetime.UTC)
