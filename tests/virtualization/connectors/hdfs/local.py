"""A stand-in for hdfs-native's client over a local folder: what the connector asks of an HDFS, without its JVMs.

``test_hdfs.py`` holds the connector against real ones; what is here looks at formats, which are the same wherever the bytes lie.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from virtualization.catalog import DataSource
from virtualization.connectors.hdfs import HdfsConnector
from virtualization.connectors.hdfs.client import Client
from virtualization.connectors.hdfs.options import settings

SOURCE = DataSource("src", "hdfs", "hdfs://local:1")


@dataclass(frozen=True)
class Status:
    """As hdfs-native's."""

    path: str
    isdir: bool
    length: int
    modification_time: int


class LocalReader:
    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def __len__(self) -> int:
        return self._path.stat().st_size

    def read_range(self, start: int, length: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(length)


class LocalNative:
    """A folder as the root of an HDFS. ``opened``: the paths of all files that were read."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.opened: list[str] = []

    def _real(self, path: str) -> pathlib.Path:
        return self.folder / path.lstrip("/")

    def _status(self, real: pathlib.Path) -> Status:
        about = real.stat()
        shown = "/" + str(real.relative_to(self.folder)).removeprefix(".")
        return Status(shown, real.is_dir(), 0 if real.is_dir() else about.st_size, about.st_mtime_ns // 1_000_000)

    def get_file_info(self, path: str) -> Status:
        return self._status(self._real(path))

    def list_status(self, path: str, recursive: bool) -> Iterator[Status]:
        real = self._real(path)
        if not real.exists():
            raise FileNotFoundError(path)
        yield from (self._status(one) for one in (real.rglob("*") if recursive else real.iterdir()))

    def read(self, path: str) -> LocalReader:
        self.opened.append(path)
        return LocalReader(self._real(path))


class LocalClient(Client):
    def __init__(self, native: LocalNative) -> None:
        super().__init__(settings(SOURCE))
        self._native: Any = native

    def _reach(self) -> None:
        """A folder is always there."""


class Lake:
    """A local folder and a connector over it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.native = LocalNative(folder)
        self.connector = HdfsConnector(SOURCE, LocalClient(self.native))

    def write(self, path: str, content: bytes | str) -> str:
        """Write a file; parents are made. Returns ``path``."""
        real = self.folder / path.lstrip("/")
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_bytes(content.encode() if isinstance(content, str) else content)
        return path
