"""What an entry of an audit trail says, and its line."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

TEXT_CHARACTERS = 300
OBJECTS = 50

Outcome = Literal["allowed", "refused", "failed"]
"""failed: it was allowed, and did not work."""


@dataclass(frozen=True)
class Entry:
    """``rule``: what allowed or refused it; ``why``: the code of the refusal or fault; ``origin``: address of who asked; ``session``: the
    login or session it belongs to, the same in every service that knows it; ``statement``: see ``shape_digest``."""

    action: str
    outcome: Outcome
    rule: str
    user: str | None = None
    origin: str | None = None
    objects: tuple[str, ...] = ()
    session: str | None = None
    why: str | None = None
    request: str | None = None
    database: str | None = None
    statement: str | None = None
    rows: int | None = None
    bytes: int | None = None
    """Of a file's content."""
    at: float | None = None
    """Unix seconds; None: now."""


def line_of(entry: Entry, service: str) -> dict[str, Any]:
    """Plain data; what is empty is left out, what is long is cut."""
    given: Mapping[str, Any] = asdict(entry)
    at = now() if entry.at is None else datetime.datetime.fromtimestamp(entry.at, datetime.UTC).isoformat(timespec="milliseconds")
    kept = {name: value for name, value in given.items() if value not in (None, ()) and name != "at"}
    if "objects" in kept:
        kept["objects"] = _cut(kept["objects"])
    texts = {name: value[:TEXT_CHARACTERS] if isinstance(value, str) else value for name, value in kept.items()}
    return {"at": at, "service": service, **texts}


def _cut(objects: Iterable[str]) -> list[str]:
    every = [one[:TEXT_CHARACTERS] for one in objects]
    return every if len(every) <= OBJECTS else [*every[:OBJECTS], f"… {len(every) - OBJECTS} more"]


def now() -> str:
    """As entries have it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
