"""Admission and the guard on memory, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pools.compute.errors import AdmissionError, CancelRequestedError, MemoryGuardError
from pools.compute.memory import MemoryGuard
from pools.compute.queries import Admission, Origin, Queries, Query
from pools.memory import resident_bytes
from virtualization.plan import QueryContext


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


async def opened(queries: Queries, group: str) -> Query:
    return await queries.open(Origin("alice", "sales", group), "SELECT 1", QueryContext(), lambda query: None)


def test_order_of_the_queue(threads: ThreadPoolExecutor) -> None:
    async def scenario() -> None:
        queries = Queries(threads, Admission(2, 5))
        first, second = await opened(queries, "a"), await opened(queries, "b")
        third, fourth = asyncio.create_task(opened(queries, "c")), asyncio.create_task(opened(queries, "d"))
        await asyncio.sleep(0)
        sibling = await opened(queries, "a")  # of a group that runs already: at once
        queries.finish(first)
        await asyncio.sleep(0.01)
        assert not third.done()
        queries.finish(sibling)
        queries.finish(sibling)  # harmless
        await asyncio.sleep(0.01)
        assert third.done()
        assert not fourth.done()
        queries.finish(second)
        await fourth
        queries.finish(third.result())
        queries.finish(fourth.result())
        assert queries.all() == []

    asyncio.run(scenario())


def test_waiting_ends_by_time_and_by_cancellation(threads: ThreadPoolExecutor) -> None:
    async def scenario() -> None:
        queries = Queries(threads, Admission(1, 0.05))
        running = await opened(queries, "a")
        with pytest.raises(AdmissionError, match="no place among 1"):
            await opened(queries, "b")
        waiting = asyncio.create_task(opened(queries, "c"))
        await asyncio.sleep(0.01)
        assert queries.kill(str(queries.all()[-1].id))
        with pytest.raises(CancelRequestedError):
            await waiting
        assert queries.admission.waiting == 0
        queries.finish(running)
        queries.finish(await opened(queries, "d"))
        assert not queries.kill("1")
        assert not queries.kill("no number")

    asyncio.run(scenario())


def test_cancelled_query_answers_while_the_engine_still_hangs(threads: ThreadPoolExecutor) -> None:
    import threading

    async def scenario() -> None:
        queries = Queries(threads, Admission(1, 1))
        query = await opened(queries, "a")
        release = threading.Event()
        asyncio.get_running_loop().call_later(0.05, query.cancel, CancelRequestedError("enough"))
        with pytest.raises(CancelRequestedError, match="enough"):
            await query.on_thread(release.wait)
        await asyncio.sleep(0.05)
        assert query.context.cancelled
        release.set()

    asyncio.run(scenario())


def test_what_comes_for_a_query_that_was_cancelled_before_is_nobodys(threads: ThreadPoolExecutor) -> None:
    async def scenario() -> None:
        query = await opened(Queries(threads, Admission(1, 1)), "a")
        query.cancel(CancelRequestedError("enough"))
        late: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with pytest.raises(CancelRequestedError, match="enough"):
            await query.wait_here(late)
        assert late.done()  # else its error would be logged as one that nobody retrieved

    asyncio.run(scenario())


def test_guard_cancels_the_query_that_grew_most(threads: ThreadPoolExecutor) -> None:
    async def scenario() -> None:
        queries = Queries(threads, Admission(4, 1))
        guard = MemoryGuard(queries, 1000)
        assert guard.look(500) is None
        small = await opened(queries, "a")
        assert guard.look(600) is None
        large = await opened(queries, "b")
        large.memory = 300
        assert guard.look(1001) is large
        with pytest.raises(MemoryGuardError) as caught:
            await large.on_thread(lambda: None)
        assert caught.value.code == "53200"
        assert guard.look(1001) is small  # still too much: the next one
        assert guard.look(2000) is None

    asyncio.run(scenario())


def test_resident_memory_is_plausible() -> None:
    assert 10 << 20 < resident_bytes() < 64 << 30
