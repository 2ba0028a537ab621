"""One handle in several threads, as DuckDB uses it."""

from __future__ import annotations

import threading
from typing import Any, cast

from virtualization.connectors.hdfs.file_system import RangeFile

DATA = bytes(range(256)) * 8


class Reader:
    def read_range(self, start: int, length: int) -> bytes:
        return DATA[start : start + length]


class StandInClient:
    """Opens the one file; stands in for a connection to a NameNode."""

    def open(self, _file: object) -> Reader:
        return Reader()


class File:
    path, size = "/x", len(DATA)


def handle() -> RangeFile:
    return RangeFile(cast("Any", StandInClient()), cast("Any", File()))


def in_a_thread(work: object) -> None:
    thread = threading.Thread(target=cast("Any", work))
    thread.start()
    thread.join()


def test_threads_that_take_turns_read_on_without_a_seek() -> None:
    """A CSV in another encoding was read again from its beginning by each thread, for ever."""
    shared, seen = handle(), []
    for _ in range(5):
        in_a_thread(lambda: seen.append(shared.read(600)))
    assert b"".join(seen) == DATA
    assert seen[-1] == b""


def test_a_seek_belongs_to_its_thread() -> None:
    shared = handle()
    shared.seek(100)
    in_a_thread(lambda: (shared.seek(700), shared.read(10)))
    assert shared.tell() == 100
    assert shared.read(5) == DATA[100:105]
