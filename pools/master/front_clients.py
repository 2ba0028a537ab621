"""Who is behind each of PostgreSQL's processes when all come over its socket: a small file per client, which the master's function
``bdc.pool_session_origin`` reads for the audit trail. The process number is what PostgreSQL tells the client itself (BackendKeyData).
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

HEAD = struct.Struct(">cI")
KEY_DATA, READY = b"K", b"Z"
MOST_BYTES = 65_536
"""Of what PostgreSQL says before the first statement."""


class Greeting:
    """What PostgreSQL says first, until its process number is known."""

    def __init__(self) -> None:
        self._said: bytes | None = b""

    def heard(self, data: bytes) -> int | None:
        """The process number, once; None: not yet, or it was told before."""
        if self._said is None:
            return None
        said, place = self._said + data, 0
        while len(said) - place >= HEAD.size:
            kind, length = HEAD.unpack_from(said, place)
            if kind == KEY_DATA and len(said) - place >= HEAD.size + 4:
                self._said = None
                return int.from_bytes(said[place + HEAD.size : place + HEAD.size + 4], "big")
            if kind == READY or length < 4 or length > MOST_BYTES:
                self._said = None
                return None
            if len(said) - place < length + 1:
                break
            place += length + 1
        self._said = said[place:]
        return None


class Clients:
    """``folder`` is this process' own; None: nobody is to know. ``complain`` hears, once, why it can't be written."""

    def __init__(self, folder: Path | None, complain: Callable[[str], None]) -> None:
        self._folder = folder
        self._complain = complain
        self._of: dict[int, object] = {}
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
            self._written(lambda: folder.mkdir(mode=0o700))

    def came(self, process: int, address: str, client: object) -> None:
        """PostgreSQL's process ``process`` serves who came from ``address``."""
        folder = self._folder
        if folder is not None:
            self._of[process] = client
            self._written(lambda: folder.joinpath(str(process)).write_text(address))

    def left(self, process: int, client: object) -> None:
        """That one is gone; another may have the number already."""
        if self._folder is not None and self._of.get(process) is client:
            del self._of[process]
            self._folder.joinpath(str(process)).unlink(missing_ok=True)

    def _written(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            self._complain(f"addresses of clients can't be kept, the audit trail goes without: {error}")
            self._folder = None
