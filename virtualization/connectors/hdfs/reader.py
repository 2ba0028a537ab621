"""Reading one state of a file, also just after HDFS has started.

A NameNode serves before every DataNode has told it what lies there: its safe mode ends when one block less than all is known, which in a
small HDFS is none. Until then it says that nobody has a block, or that it is in safe mode; some seconds later that is over. A DataNode
that is named and does not answer is another matter, and is said at once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
SETTLE_SECONDS = 8.0
_AGAIN_SECONDS = 0.2
NODES = re.compile(r'ip_addr: "([^"]+)".*?xfer_port: (\d+)')
"""The DataNodes that a native error tells of: address, port."""
NOBODY = "All DataNodes failed"
"""What the native client says when none of a block's DataNodes gave it, also when there is none."""


class Reader:
    """``open_again`` gives hdfs-native's reader of the same state, and raises where the file was replaced."""

    def __init__(self, open_again: Callable[[], Any]) -> None:
        self._open = open_again
        self._native = settled(open_again)

    def __len__(self) -> int:
        return len(self._native)

    def read_range(self, start: int, length: int) -> bytes:
        """``length`` bytes from ``start`` on. Raises what the native client raises."""
        native = self._native  # other threads read too
        try:
            return bytes(native.read_range(start, length))
        except Exception as error:  # of any kind that the native client has
            if not unsettled(error):
                raise
        return settled(lambda: self._afresh(start, length))

    def _afresh(self, start: int, length: int) -> bytes:
        """The NameNode is asked again where the blocks are."""
        self._native = self._open()
        return bytes(self._native.read_range(start, length))


def settled(ask: Callable[[], T]) -> T:
    """What ``ask`` gives, asked again while HDFS settles."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            return ask()
        except Exception as error:
            if not unsettled(error) or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_SECONDS)


def unsettled(error: Exception) -> bool:
    """Does the NameNode not know yet where the blocks are?"""
    text = str(error)
    return "SafeModeException" in text or (NOBODY in text and not NODES.search(text))
