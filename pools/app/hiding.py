"""A process that keeps its memory from others of the same OS user: the workers of apps."""

from __future__ import annotations

import ctypes

PR_SET_DUMPABLE = 4


def hide() -> None:
    """Workers, which are the same OS user, must not look into this process, which sees tokens."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
