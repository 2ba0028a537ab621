"""The limits that a worker puts on itself before it loads anything of the app: they are hard limits, so the app can't lift them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal

FILES, FILE_BYTES = 256, 256 * 2**20
PROCESSES = 128
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


def apply(memory_mb: int, processes: int | None) -> None:
    """``memory_mb``: of data (RLIMIT_DATA: what a process writes to, not what it merely maps). ``processes``: of the whole OS user, so only
    where that user runs nothing but workers; None: no limit."""
    _hard(resource.RLIMIT_CORE, 0)
    _hard(resource.RLIMIT_NOFILE, FILES)
    _hard(resource.RLIMIT_FSIZE, FILE_BYTES)
    _hard(resource.RLIMIT_DATA, memory_mb * 2**20)
    if processes is not None:
        _hard(resource.RLIMIT_NPROC, processes)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too large is an OSError, not the end
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.nice(1)


def _hard(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))
