"""Watches: they wake the reconcile loop when something of the cluster changed, and decide nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from controller.errors import ControllerError
from controller.kubernetes.api import Api, Json, path_of
from controller.kubernetes.names import CLUSTER_LABEL, STORE
from controller.log import Log
from controller.spec.model import API_VERSION, KIND

GAP = 0.5
"""Seconds between two wakes at least: a pod that starts changes ten times in one."""
WATCHED_SECONDS = 240
AWAY_FIRST, AWAY_MOST = 1.0, 30.0
log = Log("watch")


@dataclass(frozen=True)
class Watched:
    """One kind of objects. ``ours``: its own status is written by the controller, which must not wake itself."""

    api_version: str
    kind: str
    labelled: bool = True
    name: str = ""
    ours: bool = False


WATCHED = (
    Watched(API_VERSION, KIND, labelled=False, ours=True),
    Watched("v1", "Pod"),
    Watched("apps/v1", "StatefulSet"),
    Watched("apps/v1", "Deployment"),
    Watched("batch/v1", "Job"),
    Watched("v1", "Secret", labelled=False, name=STORE),
)


class Watching:
    """A thread for each of ``WATCHED``, which end with the process, and one that calls ``wake``."""

    def __init__(self, api: Api, namespace: str, cluster: str, wake: Callable[[], object]) -> None:
        self._api = api
        self._namespace = namespace
        self._cluster = cluster
        self._wake = wake
        self._seen: dict[str, object] = {}
        self._something = threading.Event()
        self._ending = threading.Event()

    def start(self) -> None:
        """Start the threads."""
        for watched in WATCHED:
            threading.Thread(target=self._watch, args=(watched,), name=f"watch {watched.kind}", daemon=True).start()
        threading.Thread(target=self._forward, name="wake", daemon=True).start()

    def stop(self) -> None:
        """Wake nobody any more; the threads end when their watches do."""
        self._ending.set()
        self._something.set()

    def _forward(self) -> None:
        while not self._ending.is_set():
            self._something.wait()
            self._something.clear()
            if not self._ending.is_set():
                self._wake()
            self._ending.wait(GAP)

    def _watch(self, watched: Watched) -> None:
        path = path_of(watched.api_version, watched.kind, self._namespace)
        labels = f"{CLUSTER_LABEL}={self._cluster}" if watched.labelled else ""
        fields = f"metadata.name={watched.name}" if watched.name else ""
        away, told = AWAY_FIRST, ""
        while not self._ending.is_set():
            try:
                for event in self._api.watch(path, selector=labels, fields=fields, seconds=WATCHED_SECONDS):
                    away, told = AWAY_FIRST, ""
                    if self._matters(watched, event):
                        self._something.set()
            except ControllerError as error:
                if error.message != told and not self._ending.is_set():
                    log.warning("a watch ended; it is begun again", kind=watched.kind, message=error.message)
                told = error.message
                self._ending.wait(away)
                away = min(AWAY_MOST, away * 2)
                self._something.set()  # what happened meanwhile is not told by the next watch

    def _matters(self, watched: Watched, event: Json) -> bool:
        if not watched.ours:
            return True
        metadata = event["object"]["metadata"]
        now = (metadata["uid"], metadata.get("generation"), metadata.get("deletionTimestamp"), event["type"] == "DELETED")
        changed = self._seen.get(metadata["name"]) != now
        self._seen[metadata["name"]] = now
        return changed
