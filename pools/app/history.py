"""What became of a version's schedule: a JSON line for each run and each gap, and the state that a restart goes on from.

<data>/history/NAME@VERSION.jsonl   two files of at most ``LIMIT``; gone with the version
<data>/history/NAME@VERSION.json    the schedule, up to when it was dealt with, and the run under way: written before a run begins
"""

from __future__ import annotations

import json
import logging
import os
import pathlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from apps.schedule import Schedule
from apps.schedule import read as read_schedule
from pools.app.log import AppLog
from pools.app.planning import Gap, Run, State

LIMIT = 256 * 1024
"""Bytes of one file of lines: some thousand runs."""
logger = logging.getLogger("history")


class History:
    """Of one version. ``state`` None: its schedule does not act."""

    def __init__(self, folder: pathlib.Path, label: str) -> None:
        self._log = AppLog(folder / f"{label}.jsonl", LIMIT)
        self._path = folder / f"{label}.json"
        self._removed = False
        self.schedule: Schedule | None = None
        self.state: State | None = None
        self._restore()

    def _restore(self) -> None:
        """A file that can't be understood is told, and the schedule begins anew."""
        try:
            content = json.loads(self._path.read_text())
            gap, run = content["gap"], content["running"]
            self.schedule = read_schedule(content["schedule"])
            self.state = State(float(content["handled"]), Gap(**gap) if gap else None, Run(**run) if run else None)
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError) as error:
            logger.error("%s can't be read: %s", self._path, error)

    def keep(self, schedule: Schedule, state: State) -> None:
        """From now on, also after a restart. OSError: it is as before."""
        if self._removed:
            return
        half = self._path.with_suffix(".new")
        with half.open("w") as file:
            json.dump({"schedule": schedule.json(), **asdict(state)}, file)
            file.flush()
            os.fsync(file.fileno())
        half.replace(self._path)
        self.schedule, self.state = schedule, state

    def end(self) -> None:
        """The schedule does not act any more; its lines stay."""
        self.schedule = self.state = None
        self._path.unlink(missing_ok=True)

    def add(self, *lines: Mapping[str, Any]) -> None:
        """One run, one gap. A full disk loses the line, not the run."""
        if lines and not self._removed:
            self._log.write(b"".join(json.dumps(line, ensure_ascii=False).encode(errors="replace") + b"\n" for line in lines))

    def tail(self, lines: int) -> list[dict[str, Any]]:
        """The last of them, the newest last."""
        found = []
        for line in self._log.tail(lines):
            try:
                found.append(json.loads(line))
            except ValueError:  # half of one, of a disk that was full
                continue
        return found

    def remove(self) -> None:
        """Of a version that is deleted; a run that ends later writes nothing."""
        self.end()
        self._removed = True
        self._log.remove()
