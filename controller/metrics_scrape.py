"""Asks services for their metrics, all at once, each for so long and no longer: one that hangs is told as down."""

from __future__ import annotations

import http.client
import pathlib
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from controller.log import Log
from controller.metrics_merge import Families
from pools.exposition import Book, Metric, text
from pools.metrics_listener import local_address, peer_user

SCRAPE_SECONDS = 4.0
"""For all of them together: Prometheus itself waits 10 s for an answer unless told otherwise."""

MOST_BYTES = 16 << 20
AT_ONCE = 16
TRAIL = "/gateway/v1/audit"
NONE: Mapping[str, str] = {}
log = Log("metrics")

UP = Metric("openbdc_up", "gauge", "1: the workload told its metrics just now; 0: it did not, or not in time.", ("workload", "pool"))
SECONDS = Metric("openbdc_scrape_seconds", "gauge", "How long it took to tell them.", ("workload", "pool"))
TABLE = (UP, SECONDS)

Read = Callable[[float], str]
"""Seconds that are left → the text; OSError, ValueError or http.client.HTTPException when there is none to be had."""


@dataclass(frozen=True)
class Target:
    """One workload. ``labelled``: its text names workloads by itself."""

    workload: str
    pool: str
    read: Read


def gather(targets: Sequence[Target], families: Families, seconds: float = SCRAPE_SECONDS) -> None:
    """Ask all, and add what they say and who was up."""
    if not targets:
        return
    deadline = time.monotonic() + seconds
    threads = ThreadPoolExecutor(min(AT_ONCE, len(targets)), "scrape")
    try:
        asked = [(target, threads.submit(_timed, target.read, deadline)) for target in targets]
        wait([future for _, future in asked], timeout=seconds)
        told = [(target, _answer(target, future)) for target, future in asked]
    finally:
        threads.shutdown(wait=False, cancel_futures=True)  # who hangs beyond its time limit holds a thread, not the scrape
    samples = []
    for target, (said, took) in told:
        if said is not None:
            families.add(said, {"workload": target.workload})
        samples += [(UP, (target.workload, target.pool), float(said is not None)), (SECONDS, (target.workload, target.pool), took)]
    families.add(text(TABLE, Book(), [lambda: samples]).decode())


def _timed(read: Read, deadline: float) -> tuple[str, float]:
    began = time.monotonic()
    return read(max(0.1, deadline - began)), time.monotonic() - began


def _answer(target: Target, future: Future[tuple[str, float]]) -> tuple[str | None, float]:
    if not future.done():
        log.warning("no metrics in time", workload=target.workload)
        return None, SCRAPE_SECONDS
    try:
        return future.result()
    except (OSError, ValueError, http.client.HTTPException) as error:
        log.warning("no metrics", workload=target.workload, why=f"{type(error).__name__}: {error}")
    return None, 0.0


class _Unix(http.client.HTTPConnection):
    """HTTP over the abstract socket of a run folder; ValueError where somebody else listens under its name."""

    def __init__(self, folder: str, seconds: float, what: str = "metrics") -> None:
        super().__init__("localhost", timeout=seconds)
        self._folder = pathlib.Path(folder)
        self._what = what

    def connect(self) -> None:
        """Instead of TCP. Abstract names are anybody's to take, the folder is its pool's."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(local_address(str(self._folder), self._what))
        if peer_user(self.sock) != self._folder.stat().st_uid:
            raise ValueError("another user listens in its place")


def over_socket(folder: str) -> Read:
    """Reads ``/metrics`` of the process whose ``{run}`` this is."""
    return lambda seconds: _get(_Unix(folder, seconds), "/metrics", seconds)


def trail_over_socket(folder: str, query: str, seconds: float) -> str:
    """The audit trail of the process whose ``{run}`` this is, as JSON; errors as of ``Read``."""
    return _get(_Unix(folder, seconds, "audit"), f"/audit?{query}", seconds)


def trail_over_tls(place: tuple[str, int], authority: str, token: str, query: str, seconds: float) -> str:
    """The gateway's, at host and port, as whose ``token`` it is; errors as of ``Read``."""
    trust = ssl.create_default_context(cafile=authority)
    connection = http.client.HTTPSConnection(*place, timeout=seconds, context=trust)
    return _get(connection, f"{TRAIL}?{query}", seconds, {"Authorization": f"Bearer {token}"})


def over_tcp(host: str, port: int, path: str) -> Read:
    """Reads ``path`` over HTTP."""
    return lambda seconds: _get(http.client.HTTPConnection(host, port, timeout=seconds), path, seconds)


def over_tls(host: str, port: int, path: str, authority: Callable[[], str]) -> Read:
    """The same over HTTPS. ``authority``: a file, one of whose certificates must have signed that of who answers."""

    def read(seconds: float) -> str:
        trust = ssl.create_default_context(cafile=authority())
        return _get(http.client.HTTPSConnection(host, port, timeout=seconds, context=trust), path, seconds)

    return read


def _get(connection: http.client.HTTPConnection, path: str, seconds: float, headers: Mapping[str, str] = NONE) -> str:
    deadline = time.monotonic() + seconds
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"it answered {answer.status}")
        body = b""
        while part := answer.read1(1 << 16):
            body += part
            if len(body) > MOST_BYTES or time.monotonic() > deadline:
                raise ValueError("its answer does not end")
        return body.decode()
    finally:
        connection.close()
