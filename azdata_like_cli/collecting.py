"""What `bdc debug copy-logs` collects, and the covering of what looks like a secret in it.

The spec holds no secrets and services don't log any, but what people send may end in a log: a statement with a password that failed, an
address with one in it. So each line passes ``covered`` before it is written.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bdc.controller import Controller
from bdc.errors import BdcError

MOST_LINES = 10_000
COVER = "********"
SECRETS = (
    re.compile(r"(?i)(\bpassword\b[\"']?\s*(?:=>|:=|[=:])?\s*)(?:E?'(?:[^']|'')*'|\"[^\"]*\"|[^\s,;)}']+)"),
    re.compile(r"(?i)(\b(?:secret|token|api[_-]?key|passwd|pwd)\b[\"']?\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s,;)}]+)"),
    re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]+:)[^\s/@]+(?=@)"),
    re.compile(r"()\bSCRAM-SHA-256\$[^\s'\"]+"),
    re.compile(r"()\bsealed:v\d+:[A-Za-z0-9_=-]+"),
    re.compile(r"()\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_.-]+"),
    re.compile(r"(?i)(\bbearer\s+)[A-Za-z0-9._~+/-]{16,}=*"),
)
Json = dict[str, object]


def covered(line: str) -> str:
    """The line without what looks like a password, key or token."""
    for pattern in SECRETS:
        line = pattern.sub(lambda found: found[1] + COVER, line)
    return line


def workloads(tree: Json) -> list[str]:
    """The instances of a status tree."""
    return [
        str(one["name"])
        for service in _list(tree, "services")
        for resource in _list(service, "resources")
        for one in _list(resource, "instances")
    ]


def documents(controller: Controller) -> Iterator[tuple[str, object]]:
    """Name and content of each document; the error in place of one that can't be had."""
    asked: dict[str, Callable[[], object]] = {
        "status.json": lambda: controller.status(everything=True),
        "cluster.json": controller.cluster,
        "endpoints.json": controller.endpoints,
        "operations.json": lambda: controller.operations(100),
        "plan.json": lambda: controller.plan(None),
        "doctor.json": controller.doctor,
    }
    for name, ask in asked.items():
        try:
            yield name, ask()
        except BdcError as error:
            yield name, {"error": error.message}


def write_archive(path: Path, entries: Iterator[tuple[str, str]], compressed: bool) -> int:
    """A tar of ``(name, text)``, for its owner alone; how many entries. Each line is covered."""
    count = 0
    path.touch(mode=0o600)
    with tarfile.open(path, "w:gz" if compressed else "w") as archive:
        for name, text in entries:
            content = "\n".join(map(covered, text.split("\n"))).encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
            archive.addfile(entry, io.BytesIO(content))
            count += 1
    return count


def text_of(content: object) -> str:
    """A document as it is written."""
    return json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n"


def _list(node: Json, key: str) -> list[Json]:
    found = node.get(key)
    return found if isinstance(found, list) else []
