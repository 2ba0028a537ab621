"""Files of a query found and opened while it still waits for other sources.

Listing a folder and opening a file are three requests to the NameNode: some milliseconds in which nothing is computed. A query that
first reads the keys of another source, or that joins its rows with files, has that time anyway.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from virtualization.connectors.hdfs.client import RemoteFile
from virtualization.connectors.hdfs.options import FileFormat
from virtualization.connectors.hdfs.table_files import Reader, TableFiles
from virtualization.errors import VirtualizationError

MOST_OPENED = 4
"""Files: which of many are read at all is not known yet."""


class Ahead:
    """Begins at once, in a thread of its own, which ends by the time limit of the source."""

    def __init__(self, reader: Reader, location: str, shape: FileFormat) -> None:
        self._reader = reader
        self._where = (location, shape)
        self._found: TableFiles | None = None
        self._error: Exception | None = None
        self._opened: dict[RemoteFile, Any] = {}
        self._listed = threading.Event()
        self._over = threading.Event()
        threading.Thread(target=self._run, name="files-ahead", daemon=True).start()

    def found(self) -> TableFiles:
        """The table's files. Raises what listing them raised."""
        self._listed.wait()
        if self._found is None:
            assert self._error is not None
            raise self._error
        return self._found

    def opened(self, file: RemoteFile) -> Any:  # noqa: ANN401 the client's reader
        """A reader of ``file``, once; None where there is none (any more): whoever wants it opens it, and hears why that fails."""
        self._over.wait()
        return self._opened.pop(file, None)

    def _run(self) -> None:
        try:
            try:
                self._found = self._reader.found(*self._where)
            except Exception as error:  # noqa: BLE001 raised again by ``found``
                self._error = error
                return
            finally:
                self._listed.set()
            with suppress(VirtualizationError):
                for file in self._found.files[:MOST_OPENED]:
                    self._opened[file] = self._reader.client.open(file)
        finally:
            self._over.set()
