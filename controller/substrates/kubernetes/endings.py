"""How a container ended, and which line of its log says why. Pure."""

from __future__ import annotations

import re

from controller.substrates.kubernetes.place import Json
from controller.substrates.kubernetes.reading import Seen, containers

NO_LOG = "unable to retrieve container logs"
"""What the node answers, as if it were the log, once a container is removed."""
LETTER = re.compile(r"[^\W\d_]")
TROUBLE = re.compile(r"error|exception|fatal|panic|fail|refused|denied|can't|cannot", re.IGNORECASE)
SHOWN = 300
"""Characters of a line."""


def telling(lines: tuple[str, ...]) -> str:
    """The line of a log that says why: the last one that speaks of an error, else the last one with a word in it."""
    words = [line.strip()[:SHOWN] for line in lines if LETTER.search(line) and not line.startswith(("\tat ", NO_LOG))]
    return next((line for line in reversed(words) if TROUBLE.search(line)), words[-1] if words else "")


def again(name: str, status: Json, pod: Json, seen: Seen) -> str:
    """Of a container that is started again and again."""
    line = seen.last_line(pod["metadata"]["name"], name)
    return f"{how_it_ended(status, pod)}, it is started again{': ' + line if line else ''}"


def how_it_ended(status: Json, pod: Json | None) -> str:
    """Empty where it did not."""
    ended = status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated") or {}
    if not ended:
        return ""
    if ended.get("reason") == "OOMKilled":
        name = status.get("name", "")
        limit = _limit(pod, name)
        above = f"its limit of {limit}" if limit else "its node has"
        return f"{name} needed more memory than {above} and was killed (spec.kubernetes.pods.*.resources.memoryLimit)"
    if ended.get("reason") == "StartError":
        return f"it could not be started: {ended.get('message', 'the node does not say why')}"
    if ended.get("signal"):
        return f"it was ended by signal {ended['signal']}"
    return f"it ended with code {ended.get('exitCode', '?')}"


def _limit(pod: Json | None, name: str) -> str:
    found = next((entry for entry in containers(pod) if entry["name"] == name), {}) if pod else {}
    return str(found.get("resources", {}).get("limits", {}).get("memory", ""))
