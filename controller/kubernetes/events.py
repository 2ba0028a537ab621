"""Events on the custom resource: what `kubectl describe bdc` shows. They are for people; nothing depends on them, so a refused one is
logged and that is all."""

from __future__ import annotations

import datetime
import secrets
from typing import Literal

from controller.kubernetes.api import Api, ApiError, Json, path_of
from controller.log import Log

LONGEST = 1000
"""Characters that Kubernetes takes in a message."""
Kind = Literal["Normal", "Warning"]
WORDS: dict[tuple[str, str], tuple[str, Kind]] = {
    ("Accepted", "True"): ("Accepted", "Normal"),
    ("Accepted", "False"): ("NotAccepted", "Warning"),
    ("Ready", "True"): ("Ready", "Normal"),
    ("Ready", "False"): ("NotReady", "Normal"),
    ("Degraded", "True"): ("Degraded", "Warning"),
    ("Degraded", "False"): ("Recovered", "Normal"),
}
"""Condition and its status → the event that tells it."""
log = Log("events")


class Events:
    """``Events(api, namespace, resource)``; ``resource`` is the object that they are about."""

    def __init__(self, api: Api, namespace: str, resource: Json) -> None:
        self._api = api
        self._namespace = namespace
        self._about = {
            "apiVersion": resource["apiVersion"],
            "kind": resource["kind"],
            **{key: resource["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion") if key in resource["metadata"]},
        }

    def tell(self, reason: str, message: str, kind: Kind = "Normal") -> None:
        """One event. ``reason``: one word."""
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        manifest = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{self._about['name']}.{secrets.token_hex(8)}", "namespace": self._namespace},
            "involvedObject": self._about,
            "reason": reason,
            "message": message if len(message) <= LONGEST else f"{message[: LONGEST - 1]}…",
            "type": kind,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "source": {"component": "openbdc"},
        }
        try:
            self._api.create(path_of("v1", "Event", self._namespace), manifest)
        except ApiError as error:
            log.warning("an event can't be written", reason=reason, message=error.message)

    def turned(self, before: list[Json], after: list[Json]) -> None:
        """One for each condition that turned; what was never otherwise is told only if it is news."""
        known = {entry["type"]: entry["status"] for entry in before}
        for entry in after:
            word, kind = WORDS.get((entry["type"], entry["status"]), ("", "Normal"))
            new = entry["type"] not in known and entry["status"] == "False" and entry["type"] != "Accepted"
            if word and known.get(entry["type"]) != entry["status"] and not new:
                self.tell(word, entry["message"], kind)
