"""Asks services for their metrics, all at once, each for so long and no longer: one that hangs is told as down."""

from __future__ import annotations

import http.client
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from controller.log import Log
from controller.metrics_merge import Families
from controller.service_http import Read
from pools.exposition import Book, Metric, text

SCRAPE_SECONDS = 4.0
"""For all of them together: Prometheus itself waits 10 s for an answer unless told otherwise."""

AT_ONCE = 16
log = Log("metrics")

UP = Metric("openbdc_up", "gauge", "1: the workload told its metrics just now; 0: it did not, or not in time.", ("workload", "pool"))
SECONDS = Metric("openbdc_scrape_seconds", "gauge", "How long it took to tell them.", ("workload", "pool"))
TABLE = (UP, SECONDS)


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
