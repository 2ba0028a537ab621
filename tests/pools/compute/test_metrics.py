"""A replica's metrics after real queries over stand-ins."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pools.compute.metric_table import OVER, TABLE
from pools.compute.metrics import Replica, Tally, collector, listen
from pools.compute.queries import Origin, Query
from pools.compute.settings import Limits
from pools.exposition import Book
from pools.metrics_listener import Listener
from tests.patience import eventually
from tests.pools.compute.conftest import RunningPool, running_pool
from virtualization.plan import QueryContext

Told = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
def metered() -> Iterator[RunningPool]:
    with running_pool(Limits(running=1, wait_seconds=0.5)) as pool:
        yield pool


def told(pool: RunningPool) -> Told:
    assert pool.queries is not None
    replica = Replica(pool.queries, Limits(), lambda: 7, lambda: {"sales": True, "old": False})
    families = text_string_to_metric_families(collector(pool.tally.book, replica, pool.loop)().decode())
    return {(sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples}


def test_queries_by_how_they_ended(metered: RunningPool) -> None:
    with metered.connect() as connection:
        assert len(connection.execute("SELECT id FROM numbers").fetchall()) == 25_000
        with contextlib.suppress(psycopg.Error):
            connection.execute("SELECT id FROM absent")
    found = told(metered)
    assert found["openbdc_compute_queries_total", ("done",)] == 1
    assert found["openbdc_compute_rows_total", ()] == 25_000
    assert found["openbdc_compute_queries_total", ("failed",)] == found["openbdc_compute_query_errors_total", ("42P01",)] == 1
    assert found["openbdc_compute_query_seconds_count", ("done",)] == 1
    assert found["openbdc_compute_master_connected", ("old",)] == 0


def cancelled(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("SELECT id FROM slow")


def test_running_and_cancelled_and_refused(metered: RunningPool) -> None:
    with metered.connect() as slow, metered.connect() as other:
        running = threading.Thread(target=cancelled, args=(slow,))
        running.start()
        eventually(lambda: told(metered)["openbdc_compute_queries", ("running",)], "the slow query runs")
        with pytest.raises(psycopg.errors.TooManyConnections):
            other.execute("SELECT id FROM numbers")
        slow.cancel_safe()
        running.join()
    found = told(metered)
    assert found["openbdc_compute_queries_total", ("refused",)] == 1
    assert found["openbdc_compute_query_cancellations_total", ("client",)] == 1


def test_a_hung_event_loop_is_told(metered: RunningPool) -> None:
    held = threading.Event()
    metered.loop.call_soon_threadsafe(held.wait)
    try:
        assert told(metered)["openbdc_compute_event_loop_delay_seconds", ()] >= 1
    finally:
        held.set()
    eventually(lambda: told(metered)["openbdc_compute_event_loop_delay_seconds", ()] < 1, "it runs again")


def test_what_a_query_pays_is_nothing() -> None:
    """Some microseconds; the limit is for a machine that does ten other things."""
    tally, query = Tally(), Query(1, Origin("u", "d", "g"), "SELECT", QueryContext(), threading)  # type: ignore[arg-type]
    query.ended, times = query.started + 1, []
    for _ in range(50):
        began = time.perf_counter()
        for _ in range(100):
            tally.note(query)
        times.append((time.perf_counter() - began) / 100)
    assert min(times) < 50e-6
    assert dict((metric, value) for metric, _, value in tally.book.samples())[OVER] == 5000


def test_an_address_that_is_taken_stops_no_replica(metered: RunningPool, tmp_path: pathlib.Path) -> None:
    assert metered.queries is not None
    replica = Replica(metered.queries, Limits(), lambda: 0, dict)

    async def twice() -> tuple[Listener | None, Listener | None]:
        return listen(str(tmp_path), Tally(), replica), listen(str(tmp_path), Tally(), replica)

    first, second = asyncio.run(twice())
    assert first is not None and second is None
    first.close()


def test_the_table_names_each_metric_once() -> None:
    assert len({metric.name for metric in TABLE}) == len(TABLE)
    assert all(metric.name.endswith("_total") == (metric.kind == "counter") for metric in TABLE)
    assert Book().samples() == []
