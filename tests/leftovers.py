"""What a run of the tests leaves behind: processes, OS users, folders. Nothing may be left, and only what is this run's own is looked at.

Processes are known by a marker in their environment, or by a folder of this run in their command line, environment or working folder (the
pools' processes inherit no environment, PostgreSQL overwrites it); OS users by the cluster's folder, which stands in their entry.
"""

from __future__ import annotations

import os
import pwd
import secrets
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from controller.substrates.local.shared_memory import FILES, PATTERN, segments

MARKER = "OPENBDC_TEST_RUN"
SETTLE_SECONDS = 60.0
"""What was told to end may take so long."""

OWN_HELPERS = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")
"""Python's own, which end with the interpreter."""


class Watch:
    """From its making on: temporary folders that are made, processes that are started."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(8)
        self.began = time.time()
        self.folders: list[str] = []
        os.environ[MARKER] = self.run
        self._make = tempfile.mkdtemp
        tempfile.mkdtemp = self._made  # type: ignore[assignment]

    def _made(self, *arguments: object, **named: object) -> str:
        folder = str(self._make(*arguments, **named))  # type: ignore[call-overload]
        self.folders.append(folder)
        return folder

    def left(self) -> list[str]:
        """A sentence each; processes get some seconds to end by themselves, and are killed then."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (processes := list(self._processes())) and time.monotonic() < deadline:
            time.sleep(0.1)
        found = [f"process {pid}: {line}" for pid, line in processes]
        for pid, _ in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        found += [f"OS user {user.pw_name}" for user in pwd.getpwall() if any(folder in user.pw_gecos for folder in self.folders)]
        found += self._shared_memory()
        return found + [f"folder {folder}" for folder in self.folders if Path(folder).exists()]

    def _shared_memory(self) -> list[str]:
        """Of PostgreSQL servers whose OS user is gone: their cluster was deleted since we began, and its memory was forgotten."""
        known = {user.pw_uid for user in pwd.getpwall()}
        lost = [one for one in segments() if one.owner not in known and one.attached == 0 and one.changed >= self.began]
        found = [f"shared memory segment {one.number} of the deleted user {one.owner}" for one in lost]
        for path in FILES.glob(PATTERN):
            with suppress(OSError):
                seen = path.lstat()
                if seen.st_uid not in known and seen.st_ctime >= self.began:
                    found.append(f"shared memory {path} of the deleted user {seen.st_uid}")
        return found

    def _processes(self) -> Iterator[tuple[int, str]]:
        marks = [f"{MARKER}={self.run}".encode(), *(f"{folder}/".encode() for folder in self.folders)]
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with suppress(OSError):  # it ended meanwhile
                line = (entry / "cmdline").read_bytes()
                traces = b"\0".join((line, (entry / "environ").read_bytes(), os.fsencode((entry / "cwd").readlink()) + b"/"))
                if line and any(mark in traces for mark in marks) and not any(helper in line for helper in OWN_HELPERS):
                    yield int(entry.name), line.replace(b"\0", b" ").decode(errors="replace").strip()[:200]
