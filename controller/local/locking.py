"""One verb at a time per cluster, one choice of ports at a time per machine."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from controller.local.errors import LocalError
from controller.substrates.local.layout import clusters_folder, make_open

PORTS_SECONDS = 30.0


@contextmanager
def cluster_lock(name: str) -> Iterator[None]:
    """LocalError ``busy`` when another create, start, stop or delete of this cluster runs; names its pid."""
    with _lock(f".{name}.lock", 0.0, f"cluster {name!r}"):
        yield


@contextmanager
def ports_lock() -> Iterator[None]:
    """Held while a port block is chosen and written down."""
    with _lock(".ports.lock", PORTS_SECONDS, "the choice of ports"):
        yield


@contextmanager
def _lock(file: str, seconds: float, what: str) -> Iterator[None]:
    path = clusters_folder() / file
    make_open(path.parent)
    deadline = time.monotonic() + seconds
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.exists(path) and os.path.samestat(path.stat(), os.fstat(handle)):  # noqa: PTH110 - not removed by the one before
                break
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                os.close(handle)
                raise LocalError(
                    "busy", f"another program works on {what} just now (pid {holder})", hint="wait for it to end, then try again"
                ) from None
            time.sleep(0.05)
        os.close(handle)
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)
