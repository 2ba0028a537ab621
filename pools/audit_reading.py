"""Entries of audit trails, the newest first: from the files of one service, and of several put together."""

from __future__ import annotations

import datetime
import heapq
import itertools
import json
import os
import pathlib
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pools.audit import Trail, rotated

MOST = 10_000
"""Entries of one answer."""

UNORDERED = datetime.timedelta(hours=1)
"""So far the clock may have been put back between two entries."""

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What is asked for. ``since``: an instant in ISO 8601, UTC, as entries have it; ``action``: itself, or what begins with it and a dot
    (``users`` is ``users.add`` too); ``limit``: so many."""

    user: str | None = None
    since: str | None = None
    action: str | None = None
    outcome: str | None = None
    session: str | None = None
    limit: int = 100

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Wanted:
        """From JSON; ValueError for what can't be asked for."""
        known = {name: given[name] for name in ("user", "since", "action", "outcome", "session") if given.get(name) is not None}
        limit = given.get("limit", cls.limit)
        if not all(isinstance(value, str) for value in known.values()) or not isinstance(limit, int) or not 1 <= limit <= MOST:
            raise ValueError("user, since, action, outcome, session are texts, limit is a number")
        if "since" in known:
            known["since"] = instant(datetime.datetime.fromisoformat(known["since"]))
        return cls(**known, limit=limit)

    @classmethod
    def of_query(cls, query: str) -> Wanted:
        """From a URL's query, where all is text; ValueError."""
        given: dict[str, Any] = dict(urllib.parse.parse_qsl(query))
        return cls.read({**given, "limit": int(given.get("limit", cls.limit))})

    def json(self) -> dict[str, Any]:
        """As ``read`` takes it."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def takes(self, line: Line) -> bool:
        """Is it one of them?"""
        action = str(line.get("action"))
        return (
            self.user in (None, line.get("user"))
            and self.outcome in (None, line.get("outcome"))
            and self.session in (None, line.get("session"))
            and (self.action is None or action == self.action or action.startswith(self.action + "."))
            and (self.since is None or str(line.get("at")) >= self.since)
        )


def instant(when: datetime.datetime) -> str:
    """As entries have it, comparable as text."""
    return when.astimezone(datetime.UTC).isoformat(timespec="milliseconds")


def found(file: pathlib.Path, wanted: Wanted) -> list[Line]:
    """Of one service. OSError when its files are there and can't be read."""
    answer: list[Line] = []
    enough = None if wanted.since is None else instant(datetime.datetime.fromisoformat(wanted.since) - UNORDERED)
    for line in _backwards(file):
        if enough is not None and line["at"] < enough:
            break
        if wanted.takes(line):
            answer.append(line)
            if len(answer) >= wanted.limit:
                break
    return sorted(answer, key=_when, reverse=True)


def answer_of(trail: Trail, wanted: Wanted) -> dict[str, Any]:
    """What a service says of its own: ``entries`` (the newest first), ``lost``, ``problem``. Reads files: not on an event loop."""
    if trail.file is None:
        return {"entries": [], "lost": 0, "problem": f"{trail.service} keeps no trail"}
    trail.settle()
    try:
        return {"entries": found(trail.file, wanted), "lost": trail.lost, "problem": trail.problem}
    except OSError as error:
        return {"entries": [], "lost": trail.lost, "problem": error.strerror or str(error)}


def merged(lists: Iterable[list[Line]], limit: int) -> list[Line]:
    """Of several services, each the newest first."""
    return [line for line, _ in zip(heapq.merge(*lists, key=_when, reverse=True), range(limit), strict=False)]


def _when(line: Line) -> tuple[str, str, int]:
    return str(line.get("at")), str(line.get("service")), int(line.get("n", 0))


def _backwards(file: pathlib.Path) -> Iterator[Line]:
    """A line that was cut off, or is none of ours, is left out; a file that is moved on while it is read is read once."""
    seen: set[int] = set()
    for number in itertools.count():
        try:
            with rotated(file, number).open("rb") as opened:
                inode = os.fstat(opened.fileno()).st_ino
                lines = [] if inode in seen else opened.read().splitlines()
        except FileNotFoundError:
            if number:
                return
            continue
        seen.add(inode)
        for raw in reversed(lines):
            try:
                line = json.loads(raw)
            except ValueError:
                continue
            if isinstance(line, dict) and isinstance(line.get("at"), str):
                yield line
