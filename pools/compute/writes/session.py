"""Writes of one session: which load its transaction is, and the rows of each statement.

What carries rows (Flight, DuckDB) is imported with the first write: an idle pool stays small.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pools.compute.errors import StatementError
from pools.compute.writes.parsing import Insert, InsertRows, Modify, Truncate, Write
from virtualization.catalog import VirtualTable

if TYPE_CHECKING:
    from pools.compute.loads.coordinator import Coordinator
    from pools.compute.session import Session
    from pools.compute.writes.transaction import LoadTransaction

Rows = Callable[[str], AsyncIterator[pa.RecordBatch]]
"""A query's text → its rows, planned and run as the session's own."""


class Writes:
    """Of one session. ``coordinator`` is None where the cluster has no data pool."""

    def __init__(self, session: Session, coordinator: Coordinator | None, rows: Rows) -> None:
        self._session = session
        self._coordinator = coordinator
        self._rows = rows
        self._load: LoadTransaction | None = None

    @property
    def tables(self) -> frozenset[str]:
        """Ids of the tables that this transaction has written."""
        return self._load.tables if self._load is not None else frozenset()

    async def perform(self, write: Write) -> str:
        """The command's tag. Outside a transaction it is one of its own."""
        if self._coordinator is None:
            raise StatementError("0A000", "the compute pool takes no writes: the cluster has no data pool", hint="Write on the master.")
        alone = self._session.status == "I"
        if self._load is None:
            from pools.compute.writes.transaction import LoadTransaction

            self._load = LoadTransaction(self._coordinator, self._session.identity, self._session.of_master)
        try:
            tag = await self._performed(self._load, write)
        except BaseException:
            if alone:
                await self.roll_back()
            raise
        if alone:
            await self.commit()
        return tag

    async def _performed(self, load: LoadTransaction, write: Write) -> str:
        if isinstance(write, InsertRows):
            return f"INSERT 0 {await self._insert_rows(load, write)}"
        if isinstance(write, Insert):
            return f"INSERT 0 {await self._insert_query(load, write)}"
        if isinstance(write, Truncate):
            for schema, name in write.tables:
                await load.truncate(*self._table(schema, name).key)
            return "TRUNCATE TABLE"
        return f"{write.word} {await self._modify(load, write)}"

    async def _modify(self, load: LoadTransaction, write: Modify) -> int:
        from pools.compute.writes.changes import change

        state = self._session.state
        if state is None:
            raise StatementError("57P03", "the state of the data pool is not known: the master is away", hint="Try again.")
        wanted = await asyncio.to_thread(change, write.sql, self._session.catalog())
        return await load.modify(*wanted.table.key, wanted.set, wanted.where, state)

    async def _insert_rows(self, load: LoadTransaction, write: InsertRows) -> int:
        from pools.compute.writes import conversion

        insert, width = write.insert, write.width
        if len(write.values) != insert.rows * width:
            raise StatementError("08P01", f"bind message supplies {len(write.values)} parameters, not {insert.rows * width}")
        columns = conversion.columns_of(write.values, width)
        rows = pa.Table.from_arrays(columns, names=[f"c{place}" for place in range(width)])
        await load.insert(*self._table(insert.schema, insert.table).key, insert.columns, rows, as_text=True)
        return insert.rows

    async def _insert_query(self, load: LoadTransaction, insert: Insert) -> int:
        table = self._table(insert.schema, insert.table)
        types = {column.name: column.type for column in table.columns}
        names = insert.columns or tuple(types)
        unknown = [name for name in names if name not in types]
        if unknown:
            raise StatementError("42703", f'column "{unknown[0]}" of relation "{table.name}" does not exist')
        items = ", ".join(f"CAST(q.c{place} AS {types[name]}) AS c{place}" for place, name in enumerate(names))
        given = ", ".join(f"c{place}" for place in range(len(names)))
        count = 0
        async for batch in self._rows(f"SELECT {items} FROM ({insert.query}) AS q({given})"):
            await load.insert(*table.key, names, pa.Table.from_batches([batch]), as_text=False)
            count += batch.num_rows
        return count

    def _table(self, schema: str | None, name: str) -> VirtualTable:
        return self._session.catalog().table(schema, name)

    async def commit(self) -> None:
        """Decide; StatementError when nothing of it is there, 40003 when that is not known."""
        load, self._load = self._load, None
        if load is not None:
            await load.commit()

    async def roll_back(self) -> None:
        """Nothing of it."""
        load, self._load = self._load, None
        if load is not None:
            await load.roll_back()

    async def savepoint(self) -> int:
        """The number of what is written from here on; 0 where nothing was written yet."""
        return await self._load.savepoint() if self._load is not None else 0

    async def roll_back_to(self, number: int) -> None:
        """Nothing is left of what was written since."""
        if self._load is not None:
            await self._load.roll_back_to(number)

    def close(self) -> None:
        """The client is gone."""
        load, self._load = self._load, None
        if load is not None:
            _TASKS.add(task := asyncio.ensure_future(load.roll_back("the client left")))
            task.add_done_callback(_TASKS.discard)


_TASKS: set[asyncio.Future[Any]] = set()
"""Held, so that they are not collected before they are done."""
