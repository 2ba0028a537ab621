"""processes.json: the rendered workloads with the pid and start time of what runs, so that the next supervisor can adopt it.

Replaced whole, never edited. The generation before lies beside it; a file that can't be read is kept aside and named in the log.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from controller.supervisor.errors import SupervisorError
from controller.supervisor.processes import Main, boot_id
from controller.supervisor.rendered import Rendered, parse

FORMAT = 1
ENDED = ("stopped", "done", "failed")
logger = logging.getLogger("supervisor")


@dataclass(frozen=True)
class Entry:
    """One workload. ``order`` counts starts: stopping goes the other way. ``main`` is None when nothing of it runs."""

    workload: Rendered
    order: int
    state: str
    main: Main | None
    started_at: float | None
    restarts: int


def write(path: Path, entries: list[Entry], durable: bool) -> None:
    """``durable``: wait for the disk and keep the generation before as ``<path>.previous`` (the set of workloads changed)."""
    content = {"format": FORMAT, "boot": boot_id(), "workloads": [_json(entry) for entry in entries]}
    temporary = path.with_name(path.name + ".new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    if durable and path.exists():
        path.replace(previous(path))
    temporary.replace(path)


def previous(path: Path) -> Path:
    """The generation before."""
    return path.with_name(path.name + ".previous")


def read(path: Path) -> list[Entry]:
    """What was recorded, in order; empty when there is nothing. Falls back to the generation before."""
    for candidate in (path, previous(path)):
        try:
            return _parse(json.loads(candidate.read_text(encoding="utf-8")))
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError, SupervisorError) as error:
            aside = candidate.with_name(f"{candidate.name}.corrupt-{int(time.time())}")
            candidate.replace(aside)
            logger.error("%s can't be read (%s); kept as %s", candidate.name, type(error).__name__, aside.name)
    return []


def _json(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "workload": entry.workload.json()}


def _parse(content: dict[str, Any]) -> list[Entry]:
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']} is not {FORMAT}")
    same_boot = content["boot"] == boot_id()
    entries = [
        Entry(
            workload=parse(entry["workload"]),
            order=int(entry["order"]),
            state=str(entry["state"]),
            main=Main(**entry["main"]) if entry["main"] and same_boot else None,
            started_at=entry["started_at"],
            restarts=int(entry["restarts"]),
        )
        for entry in content["workloads"]
    ]
    return sorted(entries, key=lambda entry: entry.order)
