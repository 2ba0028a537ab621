"""What a service counts and measures, and how it says so: Prometheus' text format, version 0.0.4.

A service has a table of ``Metric``s (the reference page is made from the tables), a ``Book`` in which it counts as things happen, and
functions that read what can be read at any time (``Reading``). Counting is a lock and an addition; all else is paid by who asks.
Names: ``openbdc_<service>_<what>_<unit>``; counters end in ``_total``; units are seconds and bytes.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Labels = tuple[str, ...]

BOUNDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Upper bounds of the buckets of every histogram, seconds."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Metric:
    """One row of a service's table. ``labels``: their names, in the order in which values are given."""

    name: str
    kind: Kind
    help: str
    labels: Labels = ()


Sample = tuple[Metric, Labels, float]
Reading = Callable[[], Iterable[Sample]]
"""Gauges (and counters that somebody else keeps), read when asked."""


@dataclass
class _Observed:
    """Of one histogram and its labels: observations per bucket, their sum."""

    counts: list[int]
    sum: float = 0.0


class Book:
    """Counters and histograms of one process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[tuple[Metric, Labels], float] = {}
        self._observed: dict[tuple[Metric, Labels], _Observed] = {}

    def add(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Count."""
        key = (metric, labels)
        with self._lock:
            self._counted[key] = self._counted.get(key, 0) + by

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """A value of a histogram."""
        place = bisect_left(BOUNDS, value)
        with self._lock:
            observed = self._observed.get((metric, labels))
            if observed is None:
                observed = self._observed[metric, labels] = _Observed([0] * (len(BOUNDS) + 1))
            observed.counts[place] += 1
            observed.sum += value

    def samples(self) -> list[Sample]:
        """The counters."""
        with self._lock:
            return [(metric, labels, value) for (metric, labels), value in self._counted.items()]

    def histograms(self) -> list[tuple[Metric, Labels, tuple[int, ...], float]]:
        """The histograms: observations per bucket, the last one above all bounds, and their sum."""
        with self._lock:
            return [(metric, labels, tuple(one.counts), one.sum) for (metric, labels), one in self._observed.items()]


def text(table: Sequence[Metric], book: Book, readings: Iterable[Reading] = ()) -> bytes:
    """All of the table, in its order; a counter without labels that has counted nothing is 0. ValueError for a sample of no row."""
    from prometheus_client import metrics_core
    from prometheus_client.exposition import generate_latest  # here: who is never asked never pays for it

    kinds = {"counter": metrics_core.CounterMetricFamily, "gauge": metrics_core.GaugeMetricFamily}
    families = {
        metric: (kinds.get(metric.kind) or metrics_core.HistogramMetricFamily)(metric.name, metric.help, labels=metric.labels)
        for metric in table
    }
    samples = [*book.samples(), *(sample for reading in readings for sample in reading())]
    told = {metric for metric, _, _ in samples}
    samples += [(metric, (), 0.0) for metric in table if metric.kind == "counter" and not metric.labels and metric not in told]
    for metric, labels, value in samples:
        _row(families, metric).add_metric(labels, value)
    for metric, labels, counts, total in book.histograms():
        _row(families, metric).add_metric(labels, _cumulative(counts), total)

    class _Collected:
        def collect(self) -> Iterable[metrics_core.Metric]:
            return families.values()

    return generate_latest(_Collected())


def _row(families: dict[Metric, object], metric: Metric):  # type: ignore[no-untyped-def]  # noqa: ANN202 (one of three families)
    found = families.get(metric)
    if found is None:
        raise ValueError(f"{metric.name} is not in the service's table")
    return found


def _cumulative(counts: Sequence[int]) -> list[tuple[str, float]]:
    so_far = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
        so_far += count
        buckets.append((bound, float(so_far)))
    return buckets
