"""Asking the supervisor: a blocking client of its socket, standard library only."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from controller.supervisor.errors import SupervisorError
from controller.supervisor.folder import ClusterFolder

SECONDS = 60.0


class SupervisorClient:
    """One connection per request: requests are rare, and a supervisor that came back is found by itself."""

    def __init__(self, cluster_folder: Path, seconds: float = SECONDS) -> None:
        self._path = ClusterFolder(cluster_folder).socket
        self._seconds = seconds

    def call(self, op: str, **arguments: object) -> dict[str, Any]:
        """The answer; SupervisorError with the supervisor's own code, or ``supervisor_unreachable``."""
        request = json.dumps({"op": op, **arguments}, ensure_ascii=False).encode() + b"\n"
        try:
            answer = self._exchange(request)
        except (OSError, ValueError) as error:
            raise SupervisorError(
                "supervisor_unreachable", f"the supervisor of {self._path.parent.parent.name} does not answer: {_why(error)}", "bdc start"
            ) from error
        if "error" in answer:
            found = answer["error"]
            raise SupervisorError(found["code"], found["message"], found.get("hint"))
        return answer

    def _exchange(self, request: bytes) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(self._seconds)
            folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:  # by way of /proc/self/fd: a socket's path may be no longer than 107 bytes, a folder's may
                connection.connect(f"/proc/self/fd/{folder}/{self._path.name}")
            finally:
                os.close(folder)
            connection.sendall(request)
            with connection.makefile("rb") as file:
                line = file.readline()
        if not line:
            raise ConnectionError("it closed the connection")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return "it does not run"
    return str(error) or type(error).__name__
