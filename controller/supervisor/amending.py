"""The spec of the cluster is written anew: asked for by the controller, checked and carried out by a program of the supervisor's own user.

The control user may not write bdc.yaml, which names programs that run as root: what he may change in it is decided by that program,
``python -m controller.local amend``, which inherits nothing that he could have set.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from controller.supervisor.children import Launch
from controller.supervisor.errors import SupervisorError
from controller.supervisor.folder import ClusterFolder
from controller.supervisor.host import PATH, Host

ASKED = "asked.yaml"
ENVIRONMENT = "environment.json"
"""What ``bdc create`` and ``bdc start`` saw: where jars and Java lie. In the supervisor's own folder."""

SECONDS = 280.0
MOST_CHARACTERS = 1_000_000
FROM_CHECKOUT = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


class Amending:
    """One at a time."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lock = asyncio.Lock()

    async def __call__(self, text: str) -> dict[str, Any]:
        """The program's result. SupervisorError with its error, or ``conflict`` while another one is under way."""
        if len(text) > MOST_CHARACTERS:
            raise SupervisorError("invalid_request", "the spec is too long")
        if self._lock.locked():
            raise SupervisorError("conflict", "another new spec is being written just now", "wait for it, then plan again")
        async with self._lock:
            asked = self._host.folder.supervisor / ASKED
            asked.write_text(text, encoding="utf-8")
            try:
                return await self._carried_out(asked)
            finally:
                asked.unlink(missing_ok=True)

    async def _carried_out(self, asked: Path) -> dict[str, Any]:
        folder = self._host.folder
        command = [sys.executable, "-m", "controller.local", "amend", "--name", folder.path.name, "--spec", str(asked)]
        answer = os.memfd_create("amend")
        try:
            pid, exited = self._host.children.start(Launch(command, _environment(folder), Path("/"), answer, None))
            await asyncio.wait([exited], timeout=SECONDS)
            if not exited.done():
                os.kill(pid, 9)
                raise SupervisorError("cannot_start", f"writing the spec did not end within {SECONDS:g} s", f"see {folder.log}")
            os.lseek(answer, 0, os.SEEK_SET)
            with os.fdopen(os.dup(answer), encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        finally:
            os.close(answer)
        return _outcome(lines)


def _outcome(lines: list[str]) -> dict[str, Any]:
    """The last event of the program."""
    try:
        event = json.loads(lines[-1])
        if event["event"] == "done":
            return {"amended": event["result"]}
        error = event["error"]
        raise SupervisorError(str(error["code"]), str(error["message"]), error.get("hint"))
    except (IndexError, ValueError, KeyError, TypeError):
        raise SupervisorError("cannot_start", f"the program that writes the spec failed: {' '.join(lines[-1:])[:300]}") from None


def _environment(folder: ClusterFolder) -> dict[str, str]:
    given = {name: os.environ[name] for name in FROM_CHECKOUT if name in os.environ}
    with contextlib.suppress(OSError, ValueError, AttributeError):  # started by an older program: the usual places
        given |= {str(name): str(value) for name, value in json.loads((folder.supervisor / ENVIRONMENT).read_text()).items()}
    return {"PATH": PATH, "LANG": "C.UTF-8", **given, "BDC_HOME": str(folder.path.parent.parent)}
