"""What was read of files lately, in memory: columns that one query after another asks for come over the network once.

A piece belongs to a file as it was listed (path, size, time of change: its key here) and to one client, which is one user of one HDFS;
each query still opens the file at the NameNode, which looks at rights. Pieces of a file don't overlap: of a request only what is missing
is read.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from virtualization import caches

IDLE_SECONDS = 30.0
"""A piece that was used since then is not given up for a new one: a scan of more than fits would throw out everything, for nothing."""


@dataclass
class _Pieces:
    """Of one file, by where they begin."""

    starts: list[int] = field(default_factory=list)
    data: dict[int, bytes] = field(default_factory=dict)

    def around(self, start: int, end: int) -> list[tuple[int, bytes]]:
        """Those that overlap the range, in order."""
        found = []
        place = max(0, bisect_right(self.starts, start) - 1)
        while place < len(self.starts) and self.starts[place] < end:
            at = self.starts[place]
            if at + len(self.data[at]) > start:
                found.append((at, self.data[at]))
            place += 1
        return found

    def add(self, start: int, data: bytes) -> None:
        self.starts.insert(bisect_right(self.starts, start), start)
        self.data[start] = data

    def remove(self, start: int) -> int:
        """Its length."""
        del self.starts[bisect_right(self.starts, start) - 1]
        return len(self.data.pop(start))


class KeptRanges:
    """At most ``most`` bytes. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._lock = threading.Lock()
        self._files: dict[Hashable, _Pieces] = {}
        self._used: OrderedDict[tuple[Hashable, int], float] = OrderedDict()

    def read(self, file: Hashable, start: int, length: int, fetch: Callable[[int, int], bytes]) -> bytes:
        """``length`` bytes from ``start``, as ``fetch(start, length)`` gives them; fewer where it gives fewer."""
        end = start + length
        with self._lock:
            pieces = self._files.get(file)
            known = pieces.around(start, end) if pieces is not None else []
            now = time.monotonic()
            for at, _ in known:
                self._used[(file, at)] = now
                self._used.move_to_end((file, at))
            whole = len(known) == 1 and known[0][0] == start and len(known[0][1]) == length
            caches.FILE_RANGES.hits += whole
            caches.FILE_RANGES.misses += not whole
        if whole:
            return known[0][1]
        parts: list[bytes] = []
        for at, data in [*known, (end, b"")]:
            if start < at:
                missing = fetch(start, at - start)
                parts.append(missing)
                self._keep(file, start, missing)
                if len(missing) < at - start:
                    break  # the file ends here: whoever reads says so
                start = at
            parts.append(data[start - at : end - at])
            start += len(parts[-1])
        return parts[0] if len(parts) == 2 and not parts[1] else b"".join(parts)

    def _keep(self, file: Hashable, start: int, data: bytes) -> None:
        with self._lock:
            if not data or not self._room(len(data)):
                return
            pieces = self._files.setdefault(file, _Pieces())
            if pieces.around(start, start + len(data)):
                return  # another thread was faster
            pieces.add(start, data)
            self._held += len(data)
            self._used[(file, start)] = time.monotonic()

    def _room(self, size: int) -> bool:
        """Is there room for so many bytes, now that pieces that nobody used lately are gone?"""
        old = time.monotonic() - IDLE_SECONDS
        while self._held + size > self._most and self._used and next(iter(self._used.values())) < old:
            (file, start), _ = self._used.popitem(last=False)
            pieces = self._files[file]
            self._held -= pieces.remove(start)
            if not pieces.starts:
                del self._files[file]
        return self._held + size <= self._most
