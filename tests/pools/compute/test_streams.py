"""Rows are read ahead while there are still some, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from pools.compute.queries import Origin, Query
from pools.compute.source import PIECE_ROWS, Source
from pools.compute.streams import AHEAD_BYTES, REFILL_BYTES, QueryRows
from virtualization.errors import SourceError
from virtualization.plan import OutputColumn, QueryContext


class Counted:
    """An endless result; ``read``: batches that were pulled."""

    columns = (OutputColumn("a", "bigint"),)

    def __init__(self) -> None:
        self.read = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        batch = pa.record_batch([pa.array(np.arange(10**17, 10**17 + PIECE_ROWS))], ["a"])
        while True:
            self.read += 1
            yield batch

    def close(self) -> None:
        """Nothing."""


class Opening:
    """Of a result that is there."""

    def __init__(self, result: Counted) -> None:
        self.result = result

    def plan(self) -> tuple[OutputColumn, ...] | None:
        return None

    def start(self) -> Counted:
        return self.result


async def quiet(result: Counted) -> int:
    """Wait until nothing more is read; how much was."""
    before = -1
    while before != result.read:
        before = result.read
        await asyncio.sleep(0.1)
    return before


async def stream(check: Callable[[QueryRows, Counted], Awaitable[None]]) -> None:
    result = Counted()
    with ThreadPoolExecutor(2) as threads:
        query = Query(1, Origin("alice", "sales", "a"), "SELECT 1", QueryContext(), threads)
        rows = QueryRows(query, Source(Opening(result)), lambda query: None)
        await rows.open()
        await check(rows, result)
        rows.close()


def test_refilled_long_before_nothing_is_ready() -> None:
    async def check(rows: QueryRows, result: Counted) -> None:
        first = await rows.take(PIECE_ROWS, ())
        full = await quiet(result)
        assert AHEAD_BYTES <= (full - 1) * first.bytes < AHEAD_BYTES + 2 * first.bytes
        for portion in range(3):
            await rows.take((REFILL_BYTES // first.bytes + 1) * PIECE_ROWS, ())
            assert await quiet(result) > full, portion
            full = result.read

    asyncio.run(stream(check))


def test_part_of_a_piece_counts() -> None:
    async def check(rows: QueryRows, result: Counted) -> None:
        size = (await rows.take(PIECE_ROWS, ())).bytes
        full = await quiet(result)
        for _ in range(2 * (REFILL_BYTES // size + 1)):  # half pieces
            await rows.take(PIECE_ROWS // 2, ())
        assert await quiet(result) > full

    asyncio.run(stream(check))


def test_what_is_wrong_at_the_source_is_raised_with_the_first_rows_where_the_plan_tells_the_columns() -> None:
    class Broken(Opening):
        def plan(self) -> tuple[OutputColumn, ...]:
            return (OutputColumn("a", "bigint"),)

        def start(self) -> Counted:
            raise SourceError("no such table there")

    async def scenario() -> None:
        with ThreadPoolExecutor(2) as threads:
            query = Query(1, Origin("alice", "sales", "a"), "SELECT 1", QueryContext(), threads)
            rows = QueryRows(query, Source(Broken(Counted())), lambda query: None)
            await rows.open()
            assert [column.name for column in rows.columns] == ["a"]
            with pytest.raises(SourceError, match="no such table there"):
                await rows.take(10, ())
            rows.close()

    asyncio.run(scenario())
