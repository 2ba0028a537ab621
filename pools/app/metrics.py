"""The proxy's metrics, read from its versions when somebody asks, on a thread of the listener's: no call pays for it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from pools.app import metric_table as table
from pools.app.live import Live
from pools.app.version import State, Version
from pools.app.versions import Versions
from pools.exposition import Book, Labels, Metric, Sample, text
from pools.memory import resident_bytes
from pools.metrics_listener import Listener

logger = logging.getLogger("metrics")


class _Calls(Book):
    """The versions' own numbers, as a book is read."""

    def __init__(self, versions: Iterable[Version]) -> None:
        super().__init__()
        self._versions = list(versions)

    def histograms(self) -> list[tuple[Metric, Labels, tuple[int, ...], float]]:
        """Of calls."""
        return [(table.SECONDS, _labels(version), tuple(version.tally.counts), version.tally.seconds) for version in self._versions]


def listen(where: str | None, versions: Versions) -> Listener | None:
    """From now on ``where`` answers, for as long as the process lives. A proxy that can't be asked for its metrics still serves."""
    if where is None:
        return None
    try:
        return Listener(where, collector(versions), _complain)
    except OSError as error:
        logger.error("metrics can't be served at %s: %s", where, error)
        return None


def collector(versions: Versions) -> Callable[[], bytes]:
    """What the listener calls."""
    started = time.time()

    def collect() -> bytes:
        found = versions.all()
        process = [(table.RESIDENT, (), resident_bytes()), (table.STARTED, (), started)]
        return text(table.TABLE, _Calls(found), (lambda: _samples(found), lambda: _shares(found, versions.live), lambda: process))

    return collect


def _samples(versions: list[Version]) -> Iterator[Sample]:
    states = Counter(version.state for version in versions)
    for state in get_args(State):
        yield table.VERSIONS, (state,), states[state]
    for version in versions:
        yield from _counts(version)


def _shares(versions: list[Version], live: Live) -> Iterator[Sample]:
    for version in versions:
        yield table.PERCENT, _labels(version), live.percent(version.kept.name, version.kept.version)


def _counts(version: Version) -> Iterator[Sample]:
    labels, tally, workers = _labels(version), version.tally, version.workers
    yield table.CALLS, labels, tally.calls
    yield table.REFUSED, labels, tally.refused
    for code, count in [*tally.errors.items()]:
        yield table.ERRORS, (*labels, code), count
    scheduled = version.spec is not None and version.spec.schedule is not None
    for result, count in {**(dict.fromkeys(("ok", "error", "missed"), 0) if scheduled else {}), **tally.runs}.items():
        yield table.RUNS, (*labels, result), count
    if workers is None:
        return
    busy, idle = workers.busy, workers.idle
    for state, number in (("busy", busy), ("idle", idle), ("missing", max(0, workers.count - busy - idle))):
        yield table.WORKERS, (*labels, state), number
    yield table.WAITING, labels, workers.waiting
    yield table.RESTARTS, labels, workers.restarts


def _labels(version: Version) -> Labels:
    return version.kept.name, version.kept.version


def _complain(why: str) -> None:
    logger.error("metrics could not be collected: %s", why)
