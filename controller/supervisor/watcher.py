"""Nobody is above the supervisor on a machine without systemd, so it has a watcher: a forked process that does nothing but wait for
the supervisor's end and then becomes the next one. The supervisor in turn replaces its watcher. Only a kill of both at once needs
``bdc start``.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Sequence

PR_SET_NAME = 15


def fork_watcher(command: Sequence[str]) -> int:
    """Start a watcher of this process; returns its pid. ``command`` is the whole command line of the next supervisor."""
    supervisor = os.pidfd_open(os.getpid())
    pid = os.fork()
    if pid != 0:
        os.close(supervisor)
        return pid
    try:
        _wait_and_become(supervisor, command)
    finally:
        os._exit(1)


def _wait_and_become(supervisor: int, command: Sequence[str]) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_NAME, b"bdc-watcher", 0, 0, 0)
    _close_all_but(supervisor)
    ready = select.poll()
    ready.register(supervisor, select.POLLIN)
    ready.poll()
    os.close(supervisor)
    os.execv(sys.executable, list(command))  # noqa: S606 - no shell is the point


def _close_all_but(kept: int) -> None:
    """The lock and the socket must not live on here: they are the next supervisor's."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX") if os.sysconf("SC_OPEN_MAX") < 65536 else 65536)
